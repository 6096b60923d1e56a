"""Who waits for their turn: one file is worked on at a time, first come, first served."""

import threading

from llve_jax.errors import UserError


class Turns:
  """Tickets in the order in which they were drawn; the first of them is having its turn."""

  def __init__(self) -> None:
    self._tickets: list[object] = []
    self._lock = threading.Lock()

  def come(self, most: float) -> object:
    """Draws a ticket.

    Raises:
      UserError: `most` others wait already.
    """
    with self._lock:
      if len(self._tickets) > most:
        raise UserError("Many others wait just now. Try again in a minute.")
      self._tickets.append(ticket := object())
      return ticket

  def before(self, ticket: object) -> int:
    """How many are before it; 0: it has its turn."""
    with self._lock:
      return self._tickets.index(ticket)

  def go(self, ticket: object) -> None:
    """Its turn is over, or it does not wait for it any more."""
    with self._lock:
      self._tickets.remove(ticket)
