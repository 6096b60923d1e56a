"""Every file of launch/: lint, help, and what the data scripts would run."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LAUNCH = REPOSITORY / "launch"
BIN = Path(sys.executable).parent
SCRIPTS = sorted([*LAUNCH.glob("*.sh"), *LAUNCH.glob("*.sbatch")])


def lint(*command):
  done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
  assert done.returncode == 0, done.stdout + done.stderr


def test_shellcheck():
  lint(BIN / "shellcheck", *SCRIPTS)


def test_hadolint():
  lint(BIN / "hadolint", LAUNCH / "Dockerfile")


def test_yamllint():
  rules = (
    "{extends: default, rules: {line-length: disable, comments: {min-spaces-from-content: 1}}}"
  )
  lint(BIN / "yamllint", "--strict", "-d", rules, LAUNCH / "gke_jobset.yaml")


def test_a_mistake_in_a_script_is_seen(tmp_path):
  (tmp_path / "bad.sh").write_text("#!/usr/bin/env bash\nrm -rf $1/*\n")
  with pytest.raises(AssertionError, match="SC2086"):
    lint(BIN / "shellcheck", tmp_path / "bad.sh")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_one(path):
  text = path.read_text()
  assert text.startswith("#!/usr/bin/env bash\n")
  assert "\nset -euo pipefail\n" in text
  assert "usage: " in text


@pytest.mark.parametrize(
  "name", ["local.sh", "detached.sh", "sweep.sh", "tpu_vm.sh", "gke.sh", "beam_dataflow.sh"]
)
def test_help(launch, name):
  done = launch(name, "--help")
  assert done.returncode == 0
  assert done.stdout.startswith(f"usage: launch/{name} ")


def test_the_image_is_of_the_versions_of_the_lock():
  dockerfile = (LAUNCH / "Dockerfile").read_text()
  (beam,) = re.findall(r"_sdk:([\d.]+)", dockerfile)
  lock = (REPOSITORY / "requirements.lock").read_text()
  assert f"\napache-beam=={beam}\n" in lock
  (python,) = re.findall(r"^ARG PYTHON=(.*)", dockerfile, re.MULTILINE)
  (tpu,) = re.findall(r"uv venv .*--python (\S+)", (LAUNCH / "tpu_vm.sh").read_text())
  assert python == tpu
  for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE):
    assert all((REPOSITORY / name).exists() for name in line.split())


def test_what_the_image_needs_is_not_ignored():
  ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
  needed = {"requirements.lock", "setup.py", "README.md", "LICENSE", "llve_jax", "experiments"}
  assert not needed & set(ignored)
  assert {".git", ".venv"} <= set(ignored)


CLOUD = ("--project=p", "--region=r", "--bucket=gs://b/", "--image=i/j:1", "--runner=dataflow")


def test_dataflow_gets_its_options_and_so_does_tfds(launch):
  done = launch(
    "beam_dataflow.sh", "smid", "--config=static_raw", "--manual_dir=/my data",
    "--data_dir=gs://b/d", *CLOUD, "--workers=8", "--dry-run", "--", "--overwrite",
  )  # fmt: skip
  assert done.returncode == 0, done.stderr
  options = (
    "runner=DataflowRunner,project=p,region=r,job_name=llve-smid-static-raw,"
    "staging_location=gs://b/staging,temp_location=gs://b/temp,sdk_container_image=i/j:1,"
    "sdk_location=container,max_num_workers=8"
  )
  assert shlex.split(done.stdout) == [
    "tfds", "build", "tfds_builders/smid", "--config=static_raw", "--data_dir=gs://b/d",
    "--manual_dir=/my data", f"--beam_pipeline_options={options}", "--overwrite",
  ]  # fmt: skip


def test_beam_knows_the_options_of_both_runners(launch):
  """Beam passes over an option that it does not know, so a wrong name would not be seen."""
  from apache_beam.options.pipeline_options import PipelineOptions

  for runner in ((), CLOUD):
    done = launch("beam_dataflow.sh", "sid", "--data_dir=gs://b/d", *runner, "--dry-run")
    (text,) = [word for word in shlex.split(done.stdout) if "pipeline_options" in word]
    told = text.partition("=")[2].split(",")
    # As TFDS does.
    known = PipelineOptions(flags=[f"--{option}" for option in told]).get_all_options()
    for option in told:
      name, _, value = option.partition("=")
      assert str(known[name]) == value


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    ([], "expected a builder out of: bright_media dark_clips paired_images "),
    (["base", "--data_dir=d"], "found 'base'"),
    (["smid"], "--data_dir=DIR is needed"),
    (["smid", "--data_dir=d", "--runner=spark"], "--runner is direct or dataflow, found 'spark'"),
    (["smid", "--data_dir=gs://b/d", *CLOUD[1:]], "--project=... is needed"),
    (["smid", "--data_dir=d", *CLOUD], "--data_dir=gs://BUCKET/DIR expected"),
    (["smid", "--data_dir=gs://b/d", *CLOUD, "--bucket=b"], "--bucket=gs://NAME expected"),
    (["smid", "--data_dir=gs://b/d", *CLOUD, "--workers=0"], "--workers needs a whole number"),
    (["smid", "--data_dir=gs://b/d", *CLOUD, "--project=a,b"], "a comma in 'a,b'"),
    (["smid", "--dir=d"], "unknown option --dir=d"),
    (["smid", "sid", "--data_dir=d"], "unexpected argument 'sid'"),
  ],
)
def test_bad_input(launch, arguments, message):
  done = launch("beam_dataflow.sh", *arguments, "--dry-run")
  assert done.returncode == 2
  assert message in done.stderr
  assert not done.stdout
