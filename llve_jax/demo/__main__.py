"""A page to try it on: drop a dark picture or video, see it bright beside it.

  llve demo                                      # http://127.0.0.1:7860, for this machine alone
  llve demo --host=0.0.0.0 --password_file=FILE  # for others; FILE has lines of NAME:PASSWORD

Needs the extra [demo]. Nothing leaves the machine and nothing is asked of another one; files are
removed after --max_keep minutes and when the page ends.
"""

import importlib.util
import logging
import os
import socket
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from llve_jax import at_once

if __name__ == "__main__":
  at_once.say("starting the page")  # what follows takes seconds to load

from absl import flags

from llve_jax.demo.limits import Limits
from llve_jax.errors import UserError, run_main
from llve_jax.methods.classic import CLASSIC
from llve_jax.stopping import on_termination
from llve_jax.zoo import shipped

_HOST = flags.DEFINE_string("host", "127.0.0.1", "Address to listen on.")
_PORT = flags.DEFINE_integer("port", 7860, "Port to listen on.", lower_bound=0, upper_bound=65535)
_PASSWORD_FILE = flags.DEFINE_string(
  "password_file", None, "Lines of NAME:PASSWORD; wanted where others can reach the page."
)
_MODEL = flags.DEFINE_string("model", shipped.DEFAULT, "The method that is chosen at first.")
_USUAL = Limits()
_MAX = {
  flag.name.removeprefix("max_"): flag
  for flag in (
    flags.DEFINE_float("max_megabytes", _USUAL.megabytes, "Megabytes of an upload."),
    flags.DEFINE_float("max_seconds", _USUAL.seconds, "Seconds of a video."),
    flags.DEFINE_float(
      "max_megapixels", _USUAL.megapixels, "Million pixels of a picture, or of a frame."
    ),
    flags.DEFINE_float(
      "max_minutes", _USUAL.minutes, "Minutes that the work on one file may take."
    ),
    flags.DEFINE_float(
      "max_waiting",
      _USUAL.waiting,
      "Visitors whose files wait for their turn, or are sent just now.",
    ),
    flags.DEFINE_float("max_memory", _USUAL.memory, "Gigabytes of memory that the work may hold."),
    flags.DEFINE_float(
      "max_disk", _USUAL.disk, "Gigabytes of all files that are kept for a while."
    ),
    flags.DEFINE_float("max_keep", _USUAL.keep, "Minutes after which a file is removed."),
  )
}


def main(argv: Sequence[str]) -> None:
  """Reads the command line and shows the page until it is stopped."""
  if argv[1:]:
    raise UserError(f"expected no further words, found {' '.join(argv[1:])}")
  limits = Limits(**{name: flag.value for name, flag in _MAX.items()})
  models = [*shipped.SHIPPED, *CLASSIC]
  if _MODEL.value not in models:
    raise UserError(f"--model={_MODEL.value}: expected one of {', '.join(models)}")
  if importlib.util.find_spec("gradio") is None:
    raise UserError(
      "the page needs gradio, which is not installed; type: pip install 'llve_jax[demo]'"
    )
  from llve_jax.demo import server

  known = None if _PASSWORD_FILE.value is None else server.passwords(_PASSWORD_FILE.value)
  if _HOST.value not in server.LOOPBACK and known is None:
    raise UserError(
      f"--host={_HOST.value}: others can reach it, so it wants a --password_file=FILE with lines "
      "of NAME:PASSWORD; leave --host out for this machine alone"
    )
  on_termination()
  with (
    server.listening(_HOST.value, _PORT.value) as listening,
    tempfile.TemporaryDirectory(prefix="llve_demo_", ignore_cleanup_errors=True) as folder,
  ):
    _show(Path(folder), limits, models, known, listening)


def _show(
  folder: Path,
  limits: Limits,
  models: list[str],
  known: dict[str, str] | None,
  listening: socket.socket,
) -> None:
  os.environ["GRADIO_TEMP_DIR"] = str(folder / "uploads")
  os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
  import fastapi
  import gradio as gr
  import uvicorn

  from llve_jax.demo import page, server, shown
  from llve_jax.demo.worker import Worker

  (folder / "jobs").mkdir()
  worker = Worker(limits)
  desk = page.Desk(folder, worker, limits)
  app = gr.mount_gradio_app(
    fastapi.FastAPI(openapi_url=None),
    page.build(desk, limits, models, _MODEL.value),
    path="/",
    auth=None if known is None else server.checker(known),
    allowed_paths=[str(folder / "jobs")],
    max_file_size=int(limits.megabytes * 1e6),
    show_error=False,
    footer_links=[],
    ssr_mode=False,
    css=shown.CSS,
    head=shown.HEAD,
    theme=gr.themes.Base(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
  )
  hosts = server.LOOPBACK if _HOST.value in server.LOOPBACK else None
  ended = threading.Event()
  sweeper = threading.Thread(
    target=server.sweep_now_and_then, args=(folder, limits.keep, ended), daemon=True
  )
  sweeper.start()
  config = uvicorn.Config(
    server.Door(app, folder, limits, hosts),
    host=_HOST.value,
    port=_PORT.value,
    log_level="warning",
    timeout_graceful_shutdown=3,
  )
  logging.getLogger("uvicorn.error").addFilter(server.is_no_end)
  running = uvicorn.Server(config)
  port = listening.getsockname()[1]
  print(f"See in the dark: http://{_HOST.value}:{port}/  (Ctrl-C ends it)", flush=True)
  try:
    running.run(sockets=[listening])
  except KeyboardInterrupt:
    pass
  finally:
    worker.close()
    ended.set()
    sweeper.join(10)


if __name__ == "__main__":
  run_main(main)
