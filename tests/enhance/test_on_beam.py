"""Apache Beam deals files out, each written once."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from llve_jax.enhance import many, on_beam
from llve_jax.enhance.many import Job
from llve_jax.errors import UserError
from llve_jax.io.images import read_image, write_image

BRIGHTEN = {"model": "gamma", "quiet": True}


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
  """Four pictures; the second is damaged, the result of the last is there."""
  for index in range(4):
    write_image(tmp_path / f"{index}.png", np.full((6, 8, 3), 20, np.uint8))
  (tmp_path / "1.png").write_bytes(b"")
  made = [Job(tmp_path / f"{index}.png", tmp_path / "out" / f"{index}.png") for index in range(4)]
  made[3].target.parent.mkdir()
  write_image(made[3].target, np.zeros((6, 8, 3), np.uint8))
  return made


def test_each_is_written_once_and_failures_are_told(jobs: list[Job]) -> None:
  said: list[str] = []
  outcome = many.run(jobs, BRIGHTEN, beam="runner=DirectRunner", say=said.append)
  assert outcome.written == [jobs[0].target, jobs[2].target]
  assert outcome.finished == [jobs[3].target]
  assert list(outcome.failed) == [jobs[1].source]
  assert "zero bytes" in outcome.failed[jobs[1].source]
  assert read_image(jobs[2].target)[0, 0, 0] == 80
  assert len(said) == 3
  names = sorted(path.name for path in jobs[0].target.parent.iterdir())
  assert names == ["0.png", "2.png", "3.png"]


def test_a_worker_tells_what_it_did(jobs: list[Job]) -> None:
  for job, failed in ((jobs[0], False), (jobs[1], True)):
    told = json.loads(on_beam.enhance([str(job.source), str(job.target)], BRIGHTEN))
    assert told[:2] == [str(job.source), str(job.target)]
    assert (told[2] is not None) == failed


def test_without_beam_or_with_odd_options(jobs: list[Job], monkeypatch: pytest.MonkeyPatch) -> None:
  assert list(on_beam.run([], BRIGHTEN, "runner=DirectRunner")) == []
  with pytest.raises(UserError, match="Beam does not take them"):
    list(on_beam.run(jobs[:1], BRIGHTEN, "runner=NoSuchRunner"))
  monkeypatch.setitem(sys.modules, "apache_beam", None)
  with pytest.raises(UserError, match=r"pip install 'llve_jax\[beam\]'"):
    list(on_beam.run(jobs, BRIGHTEN, "runner=DirectRunner"))
