"""What a process says is told from what Gloo says in between."""

import pytest

from tests.processes import own_lines

HEAD, TAIL = (
  "[Gloo] Rank 0 is connected to ",
  " peer ranks. Expected number of connected peer ranks is : ",
)


@pytest.mark.parametrize(
  "gloo",
  [
    f"{HEAD}1{TAIL}1\n",
    # Two of its threads at once.
    f"{HEAD}{HEAD}11{TAIL}{TAIL}1\n1\n",
    f"{HEAD}1[Gloo] Rank {TAIL}01\n is connected to 1{TAIL}1\n",
    f"{HEAD}1{TAIL}",
  ],
)
def test_lines_of_our_own(gloo: str) -> None:
  said = ["[3, 3, 2]", "/tmp/0/4: damaged: expected 10 bytes", "writer is 1"]
  for at in range(len(said) + 1):
    lines = [f"{line}\n" for line in said]
    lines.insert(at, gloo)
    assert own_lines("".join(lines)) == said
