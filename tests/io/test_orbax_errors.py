import logging

import pytest

from llve_jax.io import orbax_errors


@pytest.mark.parametrize(
  ("error", "reason"),
  [
    (OSError(28, "No space left on device"), "No space left on device"),
    (TimeoutError("waited for the others"), "waited for the others"),
    (ValueError("Failed to write 9 bytes [os_error_code='28']"), "No space left on device"),
    (ValueError("wrong shape"), None),
  ],
)
def test_what_the_system_said(error: Exception, reason: str | None) -> None:
  assert orbax_errors.of_storage(error) == reason


@pytest.mark.parametrize(
  ("path", "level", "passes"),
  [
    ("/lib/orbax/checkpoint/a.py", logging.ERROR, False),
    ("/lib/orbax/checkpoint/a.py", logging.WARNING, True),
    ("/lib/jax/a.py", logging.ERROR, True),
  ],
)
def test_only_errors_of_orbax_are_left_out(path: str, level: int, passes: bool) -> None:
  record = logging.LogRecord("absl", level, path, 1, "message", None, None)
  assert orbax_errors.unspoken(record) is passes
