"""Which files a folder shows."""

from pathlib import Path

import pytest

from llve_jax.io.visible import visible_files


@pytest.mark.parametrize("name", ["shoot", ".shoot"])
def test_what_is_hidden_or_of_another_kind_is_passed_over(tmp_path: Path, name: str) -> None:
  folder = tmp_path / name
  for inside in ("b.PNG", "a.png", "c.mp4", "._a.png", "deep/d.png", ".deep/e.png", "deep/.f.png"):
    (folder / inside).parent.mkdir(parents=True, exist_ok=True)
    (folder / inside).touch()
  (folder / "folder.png").mkdir()
  found = visible_files(folder, (".png",))
  assert found == [folder / "a.png", folder / "b.PNG"]
  assert visible_files(folder, (".png",), below=True) == [*found, folder / "deep" / "d.png"]
