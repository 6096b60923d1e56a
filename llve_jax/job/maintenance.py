"""Google's notice that a machine is about to be stopped, minutes or seconds before it is.

A virtual machine with accelerators cannot be moved: at maintenance, or when a spot machine is taken
back, it is stopped. The metadata server says so first.
https://docs.cloud.google.com/compute/docs/metadata/getting-live-migration-notice
"""

import contextlib
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

METADATA = "http://metadata.google.internal/computeMetadata/v1/instance"
# Each with what it says while nothing is to happen.
_NOTICES = {"maintenance-event": "NONE", "preempted": "FALSE"}
_TIMEOUT_SECONDS = 5.0


def notice(url: str = METADATA) -> str:
  """What is announced, such as "maintenance-event TERMINATE_ON_HOST_MAINTENANCE", or nothing.

  Args:
    url: of the metadata server's folder about this machine.

  Raises:
    OSError: there is no such server, or it does not answer.
  """
  # A proxy knows nothing of this machine.
  opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
  for name, usual in _NOTICES.items():
    request = urllib.request.Request(f"{url}/{name}", headers={"Metadata-Flavor": "Google"})
    try:
      with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
        found = answer.read(200).decode(errors="replace").strip()
    except urllib.error.HTTPError as error:
      if error.code == 404:
        continue  # not every kind of machine has every notice
      raise
    if found and found != usual:
      return f"{name} {found}"
  return ""


@contextlib.contextmanager
def watched(
  callback: Callable[[str], None], *, url: str = METADATA, every: float = 10.0
) -> Iterator[None]:
  """Asks every few seconds, in a thread, and calls `callback` once when something is announced.

  Args:
    callback: gets what `notice` returns, in that thread.
    url: as for `notice`.
    every: seconds.
  """
  over = threading.Event()

  def poll() -> None:
    noted = False
    while not over.is_set():
      try:
        found = notice(url)
      except (OSError, ValueError) as error:
        found = ""
        if not noted:
          print(f"note: {url} does not tell of maintenance: {error}", file=sys.stderr, flush=True)
        noted = True
      if found:
        callback(found)
        return
      over.wait(every)

  thread = threading.Thread(target=poll, name="maintenance", daemon=True)
  thread.start()
  try:
    yield
  finally:
    over.set()
    thread.join(timeout=1.0)
