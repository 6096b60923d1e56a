"""What orbax says when the storage fails."""

import logging
import os
import re


def of_storage(error: Exception) -> str | None:
  """What the system said, if `error` is of the storage (Python's, or in TensorStore's words)."""
  if isinstance(error, OSError):
    return error.strerror or str(error)
  code = re.search(r"os_error_code='(\d+)'", str(error))
  return os.strerror(int(code[1])) if code else None


def unspoken(record: logging.LogRecord) -> bool:
  """A filter for absl's logger without errors of orbax: pages for each, and it raises them too."""
  return record.levelno < logging.ERROR or f"{os.sep}orbax{os.sep}" not in record.pathname
