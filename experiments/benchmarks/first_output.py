"""What a stranger sees who types the commands of README, ENHANCE and TRAIN at a terminal.

  python -m experiments.benchmarks.first_output                      # half an hour or so
  python -m experiments.benchmarks.first_output --commands=enhance,models --within=60

Every command line in the fenced blocks of README.md, docs/ENHANCE.md and docs/TRAIN.md that runs
without a camera, a cluster or somebody's data set is run at a pseudo-terminal, in the order of the
documents, in a folder with the files that they name: dark clips, pictures, raw stills, pairs. Its
paths below /tmp lie in that folder, too. Printed are for each the seconds until its first output,
by the clock and of the processor (by which it can be judged beside other work), whether it ended by
itself within --within seconds (else Ctrl-C ends it), its exit status, and each line that is noise:
what TensorFlow, absl, XLA, CUDA, JAX or grain say to their makers, and warnings of Python. Exit
status 1 if there was noise, a command failed, or one took more than 3 seconds of the processor.
"""

import contextlib
import dataclasses
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from absl import app, flags

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("docs/TRAIN.md", "README.md", "docs/ENHANCE.md")  # one makes what the next takes
FIRST = 3.0  # seconds of the processor
# Lines that are not ours, or that say nothing to a user.
NOISE = re.compile(
  r"tensorflow/|TF-TRT|oneDNN|onednn|cudart|cuda_|CUDA|cuInit|xla/|XLA_FLAGS|absl::|absl/"
  r"|^[IWEF]\d{4} |^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWEF]|^WARNING:|^INFO:|^DEBUG:"
  r"|\w*Warning: |warnings\.warn|libtpu|TPU|grain\b.*(?:warn|recommend)|Traceback|jax\._src"
)
# What needs a camera, a cluster, an account or data that one has to fetch; or installs, or is slow.
ELSEWHERE = re.compile(
  r"/dev/video|rtsp:|--beam|^launch/|^sbatch|^docker|^make |^pip |^export |CONFIG|COMMAND|TOPOLOGY"
  r"|--pairs=|=FOLDER|Epoch99|zero_dce\.safetensors|--mesh|--config\.mesh|tensorboard |--compare="
  r"|turntable_pairs|--shoot=SHOOT|manual_dir=DIR|--shipped|burst/|=smid|mosaics\.npy|\.dng"
  r"|^llve enhance$|^python -m [a-z_.]+$"
)
_COMMANDS = flags.DEFINE_list("commands", [], "Commands that hold one of these words; all if none.")
_WITHIN = flags.DEFINE_float("within", 120.0, "Seconds after which a command is ended by Ctrl-C.")


@dataclasses.dataclass(frozen=True)
class Seen:
  """What came of a command.

  Attributes:
    first: seconds until its first output, None if there was none.
    processor: seconds of the processor until then.
    seconds: until it ended.
    status: exit status; None if it was ended.
    text: all of its output.
  """

  first: float | None
  processor: float | None
  seconds: float
  status: int | None
  text: str

  @property
  def noise(self) -> list[str]:
    """Lines that a user should not see."""
    return [line for line in self.text.splitlines() if NOISE.search(line)]


def commands(text: str) -> Iterator[str]:
  """Command lines of a document, in the order of blocks, then of the text around them.

  Continued lines are joined, comments left out, and so is what cannot run everywhere.
  """
  fenced = r"^```(\w*)\n(.*?)^```"
  blocks = re.findall(fenced, text, flags=re.MULTILINE | re.DOTALL)
  lines = [line for kind, block in blocks if not kind for line in joined(block)]
  around = re.sub(fenced, "", text, flags=re.MULTILINE | re.DOTALL)
  lines += re.findall(r"`((?:llve|python -m) [^`]+)`", around)
  for line in lines:
    command = " ".join(line.partition(" #")[0].split())
    if command and not ELSEWHERE.search(command):
      yield command


def joined(block: str) -> list[str]:
  """Lines, those that end with a backslash with the one behind them."""
  return block.replace("\\\n", " ").splitlines()


def run(command: str, folder: Path, within: float) -> Seen:
  """Types a command at a terminal of its own."""
  ours, theirs = pty.openpty()
  started = time.monotonic()
  process = subprocess.Popen(
    ["/bin/sh", "-c", f"exec {command}"],
    cwd=folder,
    env=environment(),
    stdin=theirs,
    stdout=theirs,
    stderr=theirs,
    start_new_session=True,
  )
  os.close(theirs)
  first, processor, read, asked = None, None, b"", 0.0
  while True:
    ready, _, _ = select.select([ours], [], [], 0.05)
    now = time.monotonic() - started
    if ready:
      try:
        data = os.read(ours, 65536)
      except OSError:  # how Linux says that nobody writes there any more
        break
      if first is None:
        first, processor = now, _processor(process.pid)
      read += data
    if now - asked > within:
      sign = signal.SIGINT if not asked else signal.SIGKILL
      with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, sign)
      asked = now
  os.close(ours)
  status = process.wait()
  text = read.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
  return Seen(first, processor, time.monotonic() - started, None if asked else status, text)


def environment() -> dict[str, str]:
  """That of somebody who has installed the package and stands in its folder."""
  kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "JAX_"))}
  path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
  return {**kept, "PATH": path, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "120"}


def _processor(process: int) -> float | None:
  """Seconds of the processor that a process has used so far; None where nobody tells."""
  try:
    numbers = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
  except OSError:
    return None
  return sum(map(int, numbers[11:15])) / os.sysconf("SC_CLK_TCK")


def in_folder(command: str, folder: Path) -> str:
  """The command with what it has below /tmp in the folder."""
  return re.sub(r"(?<![\w.])/tmp/", f"{shlex.quote(str(folder))}/tmp/", command)


def row(command: str, seen: Seen) -> str:
  """One line of the table."""
  first = "-" if seen.first is None else f"{seen.first:.1f}"
  processor = "-" if seen.processor is None else f"{seen.processor:.1f}"
  status = "ended" if seen.status is None else str(seen.status)
  return f"| `{command}` | {first} | {processor} | {seen.seconds:.0f} | {status} |"


def faults(seen: Seen) -> list[str]:
  """What a stranger would mind."""
  found = [f"noise: {line.strip()[:200]}" for line in seen.noise]
  if seen.status not in (0, None):
    found += [f"exit status {seen.status}: {line}" for line in seen.text.splitlines()[-3:]]
  if seen.processor is None or seen.processor > FIRST:
    found.append(f"first output after {seen.processor} s of the processor")
  return found


def main(argv: Sequence[str]) -> None:
  """Runs them, and prints a table."""
  del argv
  from experiments.benchmarks.stranger import prepare

  with tempfile.TemporaryDirectory() as given:
    folder = Path(given)
    prepare(folder, ROOT)
    wrong = 0
    print("| command | first output, s | of the processor | all, s | status |", flush=True)
    print("| --- | --- | --- | --- | --- |", flush=True)
    for name in DOCUMENTS:
      for command in commands((ROOT / name).read_text()):
        if _COMMANDS.value and not any(word in command for word in _COMMANDS.value):
          continue
        seen = run(in_folder(command, folder), folder, _WITHIN.value)
        print(row(command, seen), flush=True)
        for fault in faults(seen):
          wrong += 1
          print(f"  {name}: {fault}", file=sys.stderr, flush=True)
  sys.exit(bool(wrong))


if __name__ == "__main__":
  app.run(main)
