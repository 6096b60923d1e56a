import io
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import SummaryWriter

from llve_jax.train import tensorboard
from llve_jax.train.state import State, Trainable


def events(folder: Path) -> EventAccumulator:
  found = EventAccumulator(str(folder))
  found.Reload()
  return found


def clip() -> np.ndarray:
  frames = np.zeros((3, 8, 12, 3), np.uint8)
  frames[np.arange(3), :, 4 * np.arange(3)] = 255  # a white column that moves
  return frames


def test_a_clip_becomes_frames_that_move() -> None:
  image = Image.open(io.BytesIO(tensorboard.animated(clip(), rate=20)))
  assert (image.format, image.n_frames, image.size) == ("GIF", 3, (12, 8))
  for number in range(3):
    image.seek(number)
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), clip()[number])
  assert image.info["duration"] == 50


def test_tensorboard_reads_pictures_and_clips(tmp_path: Path) -> None:
  with SummaryWriter(str(tmp_path)) as writer:
    tensorboard.show(writer, "eval/still", clip()[0], 3)
    tensorboard.show(writer, "eval/moving", clip(), 3)
  found = events(tmp_path)
  assert {"eval/still", "eval/moving"} <= set(found.Tags()["images"])
  moving = found.Images("eval/moving")[0]
  assert moving.step == 3
  assert moving.encoded_image_string[:6] == b"GIF89a"


def test_hyperparameters_are_flat_and_beside_the_metrics(tmp_path: Path) -> None:
  with SummaryWriter(str(tmp_path)) as writer:
    tensorboard.add_hyperparameters(
      writer, {"optimizer": {"rate": 0.5, "at": (1, 2)}, "seed": 3}, {"psnr": 20.5}
    )
  found = events(tmp_path / "hyperparameters")
  assert found.Scalars("final/psnr")[0].value == 20.5
  content = found.summary_metadata["_hparams_/session_start_info"].plugin_data.content
  assert b"optimizer.rate" in content
  assert b"(1, 2)" in content


@pytest.mark.parametrize("steps", [5, 2])
def test_a_trace_is_written_also_where_the_run_ends_first(tmp_path: Path, steps: int) -> None:
  network = Trainable({}, {}, ())
  state = State(jnp.int32(0), jnp.zeros(2), network, {}, {}, {}, jnp.float32(1), ())
  hook = tensorboard.Profile(str(tmp_path), first=1, steps=2)
  for step in range(1, steps + 1):
    assert hook(step, state, last=step == steps) is state
  assert list(tmp_path.rglob("*.xplane.pb"))
