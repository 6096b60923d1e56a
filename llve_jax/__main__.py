"""The command `llve`: one door to what the package does, the same as `python -m llve_jax`.

  llve enhance dark.mp4     brighten a picture or a video: dark_bright.mp4 beside it
  llve models               the networks that come with the package
  llve export               a network as a file that serves without JAX
  llve demo                 a page to try it on, in your browser
  llve prepare              registered pairs of dark and bright pictures from a shoot

`llve COMMAND --help` says more; `python -m experiments.train` trains.
"""

import runpy
import sys

MODULES = {
  "enhance": "llve_jax.enhance",
  "models": "llve_jax.zoo",
  "export": "llve_jax.export",
  "demo": "llve_jax.demo",
  "prepare": "llve_jax.prepare",
}


def main() -> int:
  """Runs the command named first with the other arguments, as `python -m` would run its module.

  Returns:
    The exit status where no command was run: 0 if help was asked for, else 2.
  """
  given = sys.argv[1:]
  if given[:1] in (["--help"], ["-h"], ["help"]):
    print(__doc__)
    return 0
  if not given or given[0] not in MODULES:
    found = f"found {given[0]!r}" if given else "found nothing"
    print(f"llve: expected a command, {found}; known: {', '.join(MODULES)}", file=sys.stderr)
    return 2
  sys.argv = [f"llve {given[0]}", *given[1:]]
  runpy.run_module(MODULES[given[0]], run_name="__main__", alter_sys=True)
  return 0


if __name__ == "__main__":
  sys.exit(main())
