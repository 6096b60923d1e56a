"""A user's mistake is one line on stderr and exit code 2; a bug keeps its traceback."""

import subprocess
import sys
import textwrap

import pytest


def run(body: str) -> subprocess.CompletedProcess[str]:
  code = "from llve_jax.errors import UserError, run_main\n" + textwrap.dedent(body)
  return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("place", ["run_main(fail)", "run_main(print, check=fail)"])
def test_user_error(place: str) -> None:
  done = run(f"""
    def fail(argv):
      raise UserError("x.png: expected an image, found 0 bytes; copy it again")
    {place}
  """)
  assert done.returncode == 2
  assert done.stderr == "error: x.png: expected an image, found 0 bytes; copy it again\n"
  assert done.stdout == ""


def test_a_bug_keeps_its_traceback() -> None:
  done = run("""
    def fail(argv):
      raise ZeroDivisionError("bug")
    run_main(fail)
  """)
  assert done.returncode == 1
  assert "Traceback" in done.stderr


@pytest.mark.parametrize(
  ("error", "code", "told"),
  [
    ('RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.\\nmore")', 2, "9 bytes"),
    ("MemoryError()", 2, "data.batch"),
    ('RuntimeError("INTERNAL: bug")', 1, "Traceback"),
  ],
)
def test_a_device_that_is_full_says_what_to_lower(error: str, code: int, told: str) -> None:
  done = run(f"""
    def fail(argv):
      raise {error}
    run_main(fail)
  """)
  assert done.returncode == code
  assert told in done.stderr
  if code == 2:
    assert done.stderr.startswith("error: out of memory: enhance takes less with a smaller --tile")
    assert done.stderr.count("\n") == 1
