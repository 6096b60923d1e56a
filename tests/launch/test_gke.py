"""launch/gke_jobset.yaml and launch/gke.sh: against the schemas of Kubernetes and of JobSet."""

import json
import subprocess
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

LAUNCH = Path(__file__).parents[2] / "launch"
SCHEMA = json.loads((Path(__file__).parent / "jobset_schema.json").read_text())
IMAGE = "europe-docker.pkg.dev/p/llve/train:tpu"


def check(text):
  """Validates every document; returns the claims and the JobSets."""
  kinds: dict[str, list[dict]] = {"PersistentVolumeClaim": [], "JobSet": []}
  for document in yaml.safe_load_all(text):
    kinds[document["kind"]].append(document)
    if document["kind"] != "JobSet":
      kubernetes_validate.validate(document, "1.33", strict=True)
      continue
    jsonschema.validate(document, SCHEMA)
    for job in document["spec"]["replicatedJobs"]:
      whole = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "x"},
        **job["template"],
      }
      kubernetes_validate.validate(whole, "1.33", strict=True)
  return kinds["PersistentVolumeClaim"], kinds["JobSet"]


def job(jobset):
  return jobset["spec"]["replicatedJobs"][0]["template"]["spec"]


def test_the_file_is_valid_and_its_parts_fit():
  (claim,), (jobset,) = check((LAUNCH / "gke_jobset.yaml").read_text())
  spec = job(jobset)
  pod = spec["template"]["spec"]
  (container,) = pod["containers"]
  environment = {entry["name"]: entry.get("value") for entry in container["env"]}
  chips = 1
  for side in pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"].split("x"):
    chips *= int(side)
  hosts = chips // container["resources"]["limits"]["google.com/tpu"]
  assert spec["completions"] == spec["parallelism"] == hosts
  assert environment["LLVE_NUM_PROCESSES"] == str(hosts)
  assert container["resources"]["requests"] == container["resources"]["limits"]
  assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
  mounted = {mount["name"] for mount in container["volumeMounts"]}
  assert mounted == {volume["name"] for volume in pod["volumes"]}
  rule = spec["podFailurePolicy"]["rules"][0]["onExitCodes"]
  assert rule["containerName"] == container["name"]
  assert (rule["operator"], rule["values"]) == ("In", [75, 76])
  assert pod["restartPolicy"] == "Never"  # what a podFailurePolicy needs
  coordinator = jobset["spec"]["coordinator"]["replicatedJob"]
  assert coordinator == jobset["spec"]["replicatedJobs"][0]["name"]


@pytest.mark.parametrize(
  ("old", "new"),
  [
    ("maxRestarts: 3", "maxRestart: 3"),
    ("action: RestartJobSetAndIgnoreMaxRestarts", "action: Restart"),
    ("podFailurePolicy:", "podFailurePolicies:"),
    ("completionMode: Indexed", "completionMode: [Indexed]"),
    ("mountPath: /share", "mount: /share"),
    ('value: "4"', "value: 4"),
  ],
)
def test_a_mistake_is_seen(old, new):
  text = (LAUNCH / "gke_jobset.yaml").read_text()
  assert old in text
  with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
    check(text.replace(old, new))


def test_a_command_keeps_its_words(launch, tmp_path):
  (tmp_path / "a program").write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
  (tmp_path / "a program").chmod(0o755)
  words = ["./a program", "two  words", "two\nlines", "# set: name", "'\"$HOME: {x}"]
  done = launch("gke.sh", "--name=run", f"--image={IMAGE}", "--", *words)
  assert done.returncode == 0, done.stderr
  (_,), (jobset,) = check(done.stdout)
  assert jobset["metadata"]["name"] == "run"
  (container,) = job(jobset)["template"]["spec"]["containers"]
  assert container["image"] == IMAGE
  ran = subprocess.run(
    [*container["command"], *container["args"]], cwd=tmp_path, capture_output=True, text=True
  )
  assert ran.stdout == "".join(f"<{word}>" for word in words[1:])


def test_a_jobset_for_every_line_of_a_sweep(launch, tmp_path):
  (tmp_path / "lines").write_text("python a && python b\n\npython c && python d")
  done = launch("gke.sh", "--name=s", f"--image={IMAGE}", f"--sweep={tmp_path / 'lines'}")
  claims, jobsets = check(done.stdout)
  assert len(claims) == 1
  found = {
    jobset["metadata"]["name"]: job(jobset)["template"]["spec"]["containers"][0]["args"]
    for jobset in jobsets
  }
  assert found == {"s-1": ["exec python a"], "s-2": ["exec python c"]}


@pytest.mark.parametrize(
  ("arguments", "message"),
  [
    (["--name=Run", "--image=i", "--", "a"], "--name=NAME: lower-case letters"),
    (["--name=run", "--", "a"], "--image=IMAGE is needed"),
    (["--name=run", "--image=i"], "no command"),
    (["--name=run", "--image=i", "--sweep=missing"], "missing: no such file"),
    (["--name=run", "--image=i", "--sweep=x", "--", "a"], "either --sweep=LINES or a command"),
    (["--nam=run"], "unexpected argument '--nam=run'"),
  ],
)
def test_bad_input(launch, arguments, message):
  done = launch("gke.sh", *arguments)
  assert done.returncode == 2
  assert message in done.stderr
  assert not done.stdout
