"""A folder for one run: files can be written in it, and no other run uses it."""

import contextlib
import datetime
import errno
import fcntl
import json
import os
import re
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from llve_jax.errors import UserError

NAME = "lock"

# Some file systems that are mounted over a network have no locks.
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}

_held: set[int] = set()


def _close_in_child() -> None:
  """A forked child shares its parent's lock, and would hold it after the parent's end."""
  for descriptor in _held:
    os.close(descriptor)
  _held.clear()


os.register_at_fork(after_in_child=_close_in_child)


def writable_folder(folder: str | os.PathLike[str]) -> Path:
  """Makes `folder` if it is not there and writes a byte in it; returns its absolute path.

  Raises:
    UserError: it is the address of a bucket, a file is in the way, it is read-only or full.
  """
  # `Path` makes gs:/ of gs://.
  if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", os.fspath(folder)):
    raise UserError(
      f"{os.fspath(folder)}: an address; expected a folder that all hosts see (NFS, Filestore, a "
      "bucket mounted as a folder). Mount it, and give the path of the mount"
    )
  path = Path(folder).absolute()
  try:
    path.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=path) as probe:
      probe.write(b".")
      probe.flush()
  except OSError as error:
    raise UserError(
      f"{path}: cannot be written ({error.strerror}); expected a folder in which files can be "
      "made. Free space, change its permissions, or give another folder (--workdir)"
    ) from error
  return path


@contextlib.contextmanager
def locked(folder: str | os.PathLike[str]) -> Iterator[None]:
  """Keeps `folder` to this process, by a lock that the kernel drops when the process ends.

  The file `folder/lock` says who holds it, or did last: host, process id and since when, in JSON.
  The file stays, the lock does not. On a file system without locks a line on stderr says so.

  Raises:
    UserError: another process holds it, or the folder cannot be written (`writable_folder`).
  """
  path = writable_folder(folder)
  try:
    descriptor = os.open(path / NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
  except OSError as error:
    raise UserError(f"{path / NAME}: cannot be opened ({error.strerror}); remove it") from error
  _held.add(descriptor)
  try:
    _lock(descriptor, path)
    holder = {
      "host": socket.gethostname(),
      "pid": os.getpid(),
      "started": datetime.datetime.now().astimezone().isoformat(" ", "seconds"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode() + b"\n", 0)
    yield
  finally:
    # In a forked child it is closed already, and the number may be another file's.
    if descriptor in _held:
      _held.remove(descriptor)
      os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
  try:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    raise UserError(
      f"{folder}: in use by {_holder(descriptor)}; wait for it, stop it, or give another --workdir"
    ) from None
  except OSError as error:
    if error.errno not in _NO_LOCKS:
      raise UserError(f"{folder}/{NAME}: cannot be locked ({error.strerror})") from error
    print(
      f"warning: {folder}: this file system has no locks ({error.strerror}); see to it that no "
      "other run writes there",
      file=sys.stderr,
    )


def _holder(descriptor: int) -> str:
  try:
    holder = json.loads(os.pread(descriptor, 4096, 0))
    return f"process {holder['pid']} on {holder['host']} since {holder['started']}"
  except (OSError, ValueError, KeyError, TypeError):  # it has just begun
    return "another process that has just started"
