"""Every command line in README and docs can be typed: its flags exist, its configuration builds."""

import ast
import dataclasses
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import jax
import pytest

from experiments.run import flags
from experiments.run.assemble import Run, settle_data
from llve_jax.__main__ import MODULES

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
# What stands for something that the reader has to put there.
PLACEHOLDERS = {
  "FILE[:VARIANT,...]": "experiments/configs/turntable_gan.py",
  "CONFIG": "experiments/configs/turntable_gan.py",
  "FILE": "experiments/configs/turntable_gan.py",
  "NAME": "ssim",
  "N": "2",
}
PARSERS = {"integer": int, "float": float}
pytestmark = pytest.mark.usefixtures("standard_promotion")


@dataclasses.dataclass(frozen=True)
class Command:
  """A line of a document: the program, and its arguments."""

  where: str
  program: str
  arguments: tuple[str, ...]

  def __str__(self) -> str:
    return f"{self.where} {self.program}"


def lines(text: str) -> Iterator[tuple[int, str]]:
  """What stands in fenced blocks, continued lines joined, or between backticks; and its number."""
  fenced, joined = False, ""
  for number, line in enumerate(text.splitlines(), start=1):
    if line.lstrip().startswith("```"):
      fenced = not fenced
    elif fenced:
      joined += line.removesuffix("\\")
      if not line.endswith("\\"):
        yield number, joined
        joined = ""
    else:
      for code in re.findall(r"`([^`]+)`", line):
        yield number, code


def programs(line: str) -> Iterator[tuple[str, list[str]]]:
  """What Python and TFDS are asked to do in a line, behind whatever launches it."""
  try:
    words = shlex.split(line, comments=True)
  except ValueError:  # a quotation that goes on elsewhere
    return
  for place, word in enumerate(words):
    if word == "-m" and place and words[place - 1].rpartition("/")[2] == "python":
      yield words[place + 1], up_to_pipe(words[place + 2 :])
    elif word.rpartition("/")[2] == "tfds" and words[place + 1 : place + 2] == ["build"]:
      yield "tfds build", up_to_pipe(words[place + 2 :])
    elif word == "llve" and place + 1 < len(words):
      yield MODULES[words[place + 1]], up_to_pipe(words[place + 2 :])


def up_to_pipe(words: list[str]) -> list[str]:
  ends = [place for place, word in enumerate(words) if word in ("|", "&&", "||") or word[0] in "<>"]
  return words[: ends[0]] if ends else words


def commands() -> list[Command]:
  found = []
  for path in DOCUMENTS:
    for number, line in lines(path.read_text()):
      where = f"{path.relative_to(ROOT)}:{number}"
      found += [Command(where, name, tuple(words)) for name, words in programs(line)]
  return found


COMMANDS = commands()
OURS = [
  found
  for found in COMMANDS
  if found.program.startswith(("experiments.", "llve_jax.")) or found.program == "tfds_builders"
]
BUILDS = [
  found
  for found in COMMANDS
  if found.program in ("tfds build", "tfds_builders") and found.arguments
]


def with_values(words: tuple[str, ...]) -> list[str]:
  """The arguments, with something for each placeholder."""
  filled = []
  for word in words:
    name, equals, value = word.partition("=")
    name = ".".join(PLACEHOLDERS.get(part, part) for part in name.split("."))
    filled.append(name + equals + PLACEHOLDERS.get(value, value))
  return filled


def defined(module: str) -> dict[str, str]:
  """Flags that a program defines, and of which kind they are; read from the code."""
  path = ROOT.joinpath(*module.split("."))
  files = [path / "__main__.py"] if path.is_dir() else [path.with_suffix(".py")]
  found = {}
  for node in ast.walk(ast.parse(files[0].read_text())):
    if not isinstance(node, ast.Call):
      continue
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "define_config":
      found["config"] = "config_file"
    elif name.startswith("DEFINE_"):
      assert isinstance(node.args[0], ast.Constant)
      found[node.args[0].value] = name.removeprefix("DEFINE_")
  return found


def test_commands_are_found() -> None:
  assert "README.md:16 llve_jax.enhance" in map(str, OURS)
  assert len(OURS) > 25
  assert {"experiments.train", "experiments.plan", "llve_jax.enhance"} <= {c.program for c in OURS}
  assert [c.program for c in COMMANDS if c not in OURS].count("tfds build") >= 3
  assert len(BUILDS) >= 6


@pytest.mark.parametrize("command", OURS, ids=str)
def test_every_flag_is_one_of_the_program(command: Command) -> None:
  known = defined(command.program)
  for word in command.arguments:
    if not word.startswith("-") or word == "-":
      continue
    name, equals, value = word.removeprefix("--").partition("=")
    if name.startswith("config.") and known.get("config") == "config_file":
      continue
    if command.program == "experiments.sweep" and name.startswith("config."):
      continue  # handed on to training
    assert name in known, f"{command}: knows {', '.join(sorted(known))}"
    assert bool(equals) == (known[name] not in ("bool", "boolean")), word
    if value and value not in PLACEHOLDERS and known[name] in PARSERS:
      PARSERS[known[name]](value)


CONFIGURED = [
  found
  for found in OURS
  if any(word.startswith("--config=") for word in found.arguments)
  and defined(found.program).get("config") == "config_file"
]


@pytest.mark.parametrize("command", CONFIGURED, ids=str)
def test_every_run_builds(command: Command) -> None:
  words = [word for word in with_values(command.arguments) if word.startswith("--config")]
  builds(words)


def builds(words: list[str]) -> None:
  """Down to the shapes of its state."""
  config = flags.parse(words)
  config.vgg19.fallback = True  # its weights do not ship
  run = Run(config)
  settle_data(config, run.traits.input_kind)
  jax.eval_shape(run.init)


def single_settings() -> list[tuple[str, str]]:
  """`--config.key=value` alone, as the text mentions it."""
  found = {}
  for path in DOCUMENTS:
    for number, line in lines(path.read_text()):
      words = line.split()
      if all(word.startswith("--config.") and "=" in word for word in words) and "..." not in line:
        found[" ".join(words)] = f"{path.relative_to(ROOT)}:{number}"
  return sorted(found.items())


@pytest.mark.parametrize(("settings", "where"), single_settings())
def test_every_setting_that_is_mentioned_can_be_set(settings: str, where: str) -> None:
  words = with_values(tuple(settings.split()))
  assert where
  variants = ":no_critic" if "train.accumulate" in settings else ""
  builds([f"--config=experiments/configs/turntable_gan.py{variants}", *words])


@pytest.mark.parametrize("name", ["turntable_gan", "unet3d", "smid"])
def test_remat_as_the_readme_has_it(name: str) -> None:
  builds([f"--config=experiments/configs/{name}.py", "--config.model.kwargs.remat=True"])


@pytest.mark.parametrize("command", BUILDS, ids=str)
def test_every_data_set_is_there(command: Command) -> None:
  folder, *words = command.arguments
  name = Path(folder).name
  if name.isupper():
    return
  builder = importlib.import_module(f"tfds_builders.{name}.{name}_dataset_builder").Builder
  configs = [config.name for config in builder.BUILDER_CONFIGS]
  for word in words:
    flag, _, value = word.partition("=")
    assert flag in ("--config", "--data_dir", "--manual_dir", "--file_format", "--version"), word
    if flag == "--config" and not value.startswith("{"):
      assert value in configs


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_links_to_is_there(document: Path) -> None:
  text = document.read_text(encoding="utf-8")
  for target in re.findall(r"\]\(([^)#]+)", text):
    if not target.startswith(("http:", "https:")):
      assert (document.parent / target).exists(), target
