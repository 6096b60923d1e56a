"""Commands of the documents as a stranger types them: something at once, and nothing but ours."""

import sys
from pathlib import Path

import pytest

from experiments.benchmarks import first_output
from experiments.benchmarks.first_output import Seen
from experiments.benchmarks.stranger import prepare

LISTED = [
  command
  for name in first_output.DOCUMENTS
  for command in first_output.commands((first_output.ROOT / name).read_text())
]
# One of each kind that is quick; `python -m experiments.benchmarks.first_output` runs them all.
TYPED = [
  "llve models",
  "llve enhance dark.mp4",
  "llve enhance dark.jpg bright.jpg --model=auto_gain",
  "llve enhance phone.mov bright.mp4 --dry_run",
  "python -m experiments.check_data --builder=paired_images --manual_dir=PAIRS",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
  made = tmp_path_factory.mktemp("stranger")
  prepare(made, first_output.ROOT)
  return made


@pytest.mark.slow
@pytest.mark.parametrize("command", TYPED)
def test_it_answers_at_once_and_says_nothing_but_ours(folder: Path, command: str) -> None:
  assert command in LISTED
  typed = command.replace("llve ", f"{sys.executable} -m llve_jax ", 1)  # it may not be installed
  typed = typed.replace("python -m", f"{sys.executable} -m", 1) if typed == command else typed
  seen = first_output.run(typed, folder, 240)
  assert first_output.faults(seen) == []
  assert seen.text


def test_what_stands_in_the_documents_is_found() -> None:
  assert len(LISTED) > 25
  block = "```\na b  # c\nllve x \\\n  y\npip install z\n```\n```python\nq\n```\n"
  text = f"Type `llve models` or `mv a b`.\n{block}"
  assert list(first_output.commands(text)) == ["a b", "llve x y", "llve models"]
  moved = first_output.in_folder("llve export /tmp/a --out=/tmp/b data/tmp/c", Path("/d"))
  assert moved == "llve export /d/tmp/a --out=/d/tmp/b data/tmp/c"


@pytest.mark.parametrize(
  ("seen", "expected"),
  [
    (Seen(0.1, 0.1, 1.0, 0, "reading a.mp4 ...\nwrote b.mp4\n"), []),
    (Seen(9.0, 3.5, 9.0, 0, "wrote b.mp4\n"), ["first output after 3.5 s of the processor"]),
    (Seen(0.1, 0.1, 1.0, 2, "error: no\n"), ["exit status 2: error: no"]),
    (Seen(0.1, 0.1, 1.0, None, "step 1\n"), []),
    (Seen(None, None, 1.0, 0, ""), ["first output after None s of the processor"]),
  ],
)
def test_what_a_stranger_would_mind(seen: Seen, expected: list[str]) -> None:
  assert first_output.faults(seen) == expected


@pytest.mark.parametrize(
  "line",
  [
    "2026-01-01 10:00:00.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations",
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "I0000 00:00:1795966124.715975   15703 cudart_stub.cc:31] Could not find cuda drivers",
    "/usr/lib/python3/site.py:3: DeprecationWarning: old",
    "FutureWarning: it will go",
    "INFO:absl:Load dataset info from /data",
    "Traceback (most recent call last):",
  ],
)
def test_noise_is_told_from_words_of_ours(line: str) -> None:
  assert Seen(0.1, 0.1, 1.0, 0, f"before\n{line}\nafter\n").noise == [line]
