import dataclasses
import errno
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.export import formats
from tests.export.conftest import run


@pytest.fixture
def numpy_formats(monkeypatch, numpy_format):
  """FORMATS with one faithful and one unfaithful format."""
  monkeypatch.setitem(formats.FORMATS, "good", numpy_format())
  monkeypatch.setitem(formats.FORMATS, "bad", numpy_format(1.01))
  monkeypatch.setitem(formats.FORMATS, "broken", numpy_format(0))


def test_an_export_is_written_with_its_card(tmp_path, gain, numpy_formats):
  found = formats.export(gain, tmp_path / "out", "good")
  assert found.parity.largest < 1e-6
  assert found.signatures == ["serving_default: clip -> clip"]
  assert [path.name for path in tmp_path.iterdir()] == ["out"]
  assert np.load(tmp_path / "out" / "gain.npy") == 2
  card = json.loads((tmp_path / "out" / formats.CARD).read_text())
  assert (card["format"], card["network"]) == ("good", "gain")
  trials = card["parity"]["trials"].values()
  assert max(trial["largest"] for trial in trials) == found.parity.largest


@pytest.mark.parametrize("format", ["bad", "broken"])
def test_an_export_that_differs_or_fails_leaves_nothing(tmp_path, gain, numpy_formats, format):
  with pytest.raises(UserError):
    formats.export(gain, tmp_path / "out", format)
  assert not any(tmp_path.iterdir())


def test_a_format_says_what_to_do_instead(tmp_path, gain, numpy_format, monkeypatch):
  other = dataclasses.replace(numpy_format(1.01), advice="take another")
  monkeypatch.setitem(formats.FORMATS, "bad", other)
  with pytest.raises(UserError, match=r"differs from the network .*; take another$"):
    formats.export(gain, tmp_path / "out", "bad")


def test_an_older_export_is_replaced_and_kept_on_failure(tmp_path, gain, numpy_formats):
  out = tmp_path / "out"
  formats.export(gain, out, "good")
  (out / "left_over").touch()
  with pytest.raises(UserError, match="differs"):
    formats.export(gain, out, "bad")
  assert (out / "left_over").exists()
  formats.export(gain, out, "good")
  assert not (out / "left_over").exists()
  assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_empty_folder_is_filled(tmp_path, gain, numpy_formats):
  (tmp_path / "out").mkdir()
  formats.export(gain, tmp_path / "out", "good")
  assert (tmp_path / "out" / formats.CARD).is_file()


def test_a_link_is_followed(tmp_path, gain, numpy_formats):
  formats.export(gain, tmp_path / "first", "good")
  (tmp_path / "latest").symlink_to(tmp_path / "first")
  (tmp_path / "first" / "left_over").touch()
  formats.export(gain, tmp_path / "latest", "good")
  assert (tmp_path / "latest").is_symlink()
  assert not (tmp_path / "first" / "left_over").exists()


def test_something_else_is_never_replaced(tmp_path):
  (tmp_path / "photos").mkdir()
  (tmp_path / "photos" / "cat.jpg").touch()
  (tmp_path / "file").touch()
  for name in ("photos", "file"):
    with pytest.raises(UserError, match="exists and is no older export"):
      formats.check_destination(tmp_path / name)


def test_the_folder_must_exist_and_be_writable(tmp_path, monkeypatch):
  with pytest.raises(UserError, match=r"out: the folder .*missing does not exist"):
    formats.check_destination(tmp_path / "missing" / "out")

  def mkdir(path):  # a stand-in, since root may write anywhere
    raise OSError(errno.EROFS, "Read-only file system")

  monkeypatch.setattr(Path, "mkdir", mkdir)
  with pytest.raises(UserError, match=r"out: .* cannot be written to \(Read-only file system\)"):
    formats.check_destination(tmp_path / "out")
  assert not any(tmp_path.iterdir())


def test_an_unknown_format_lists_the_known(tmp_path, gain):
  with pytest.raises(
    UserError, match=r"called 'coreml'; known: litert, onnx, saved_model, stablehlo"
  ):
    formats.export(gain, tmp_path / "out", "coreml")


def test_exports_compute_in_float32(network, gain):
  coarse = dataclasses.replace(network, module=network.module.clone(dtype="bfloat16"))
  clip = np.full((1, 1, 8, 8, 3), 0.1, np.float32)
  assert formats.in_float32(coarse).module.dtype == jnp.float32
  np.testing.assert_array_equal(run(formats.in_float32(coarse), clip), run(network, clip))
  assert np.abs(run(coarse, clip) - run(network, clip)).max() > 1e-5
  assert formats.in_float32(gain) is gain
