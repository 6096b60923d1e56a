import jax.numpy as jnp
import numpy as np
import pytest
import skimage.data

from experiments.run import naturalness
from llve_jax.data.clips import EvalClip
from llve_jax.errors import UserError
from llve_jax.metrics import protocols
from llve_jax.metrics.no_reference import fit_pristine, niqe
from llve_jax.metrics.protocols import score_frames


def photograph(name):
  return getattr(skimage.data, name)()[..., :3]


@pytest.fixture(scope="module")
def pictures():
  return [photograph(name) for name in ("astronaut", "coffee", "rocket")]


@pytest.fixture(scope="module")
def model(pictures, tmp_path_factory):
  path = tmp_path_factory.mktemp("model") / "pristine.npz"
  fit_pristine(pictures, sharpness=0.3).save(path)
  return path


def test_it_is_the_niqe_of_the_saved_prediction(model):
  """In a table beside PSNR, where frames are floats, batches are filled up and calls are jitted."""
  cat = photograph("chelsea")
  frames = np.stack([cat, cat // 3, 255 - cat])
  judge = naturalness.metric(str(model), frames, lambda: iter(()))
  protocol = protocols.get("plain").with_metrics(niqe=judge)
  found = score_frames(protocol, frames, np.zeros_like(frames), batch=2)["niqe"]
  pristine = naturalness.open_model(str(model), lambda: iter(()))
  np.testing.assert_allclose(found, [niqe(frame, pristine) for frame in frames], rtol=1e-5)
  assert found[1] != pytest.approx(found[0], rel=0.01)


def test_a_frame_without_texture_has_no_score(model):
  judge = naturalness.metric(str(model), np.zeros((1, 200, 200, 3), np.uint8), lambda: iter(()))
  assert np.isnan(judge(jnp.zeros((1, 200, 200, 3)), None)).all()


def test_a_model_can_be_fitted_on_the_targets(pictures):
  clips = [EvalClip("c", k, 0.0, image[None], image[None]) for k, image in enumerate(pictures * 5)]
  found = naturalness.open_model("targets", lambda: iter(clips))
  expected = fit_pristine(pictures * 5)
  np.testing.assert_allclose(found.mean, expected.mean)
  with pytest.raises(UserError, match=r"--niqe=targets: a pristine model needs more than 36"):
    naturalness.open_model("targets", lambda: iter(clips[:1]))


def test_a_model_that_is_not_there_is_named(tmp_path):
  with pytest.raises(UserError, match=r"none\.npz"):
    naturalness.metric(
      str(tmp_path / "none.npz"), np.zeros((1, 300, 300, 3), np.uint8), lambda: iter(())
    )


@pytest.mark.parametrize("size", [(191, 300), (300, 191)])
def test_small_frames_are_left_out_with_a_word(size, capsys, tmp_path):
  frames = np.zeros((1, *size, 3), np.uint8)
  assert naturalness.metric(str(tmp_path / "none.npz"), frames, lambda: iter(())) is None
  word = capsys.readouterr().err
  assert word.startswith("--niqe: left out")
  assert word.endswith(f"found {size[1]}x{size[0]}\n")
