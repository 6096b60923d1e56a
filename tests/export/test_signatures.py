import jax
import numpy as np

from llve_jax.export import signatures
from llve_jax.export.probes import scene
from llve_jax.models.contract import Traits
from tests.export.conftest import run


def test_a_network_of_single_frames_takes_clips(network):
  (found,) = signatures.of(network)
  text = "clip float32 [b, t, h, w, 3]"
  assert str(found) == f"serving_default: {text} -> {text}"
  (fixed,) = signatures.of(network, (1, 2, 9, 8))
  assert fixed.inputs["clip"].shape == fixed.outputs["clip"].shape == (1, 2, 9, 8, 3)


def test_what_a_network_asks_of_sizes_is_said():
  traits = Traits(stride=1, receptive_field=1, least_side=3, least_frames=2)
  assert signatures.constraints_of(traits, "hwt") == ("h >= 3", "w >= 3", "t >= 2")
  assert signatures.constraints_of(Traits(stride=1, receptive_field=1), "hwt") == ()


def test_raw_light_has_its_channels_and_becomes_larger(xtrans):
  (found,) = signatures.of(xtrans)
  assert str(found).startswith("serving_default: clip float32 [b, t, h, w, 9] -> ")
  assert signatures.shape_text(found.outputs["clip"].shape) == "b, t, 3*h, 3*w, 3"
  assert found.shapes()["inputs"] == {"clip": "b, t, h, w, 9"}


def test_a_network_that_streams_hands_on_its_memory(streaming):
  clips, start, following = signatures.of(streaming)
  assert [clips.name, start.name, following.name] == ["serving_default", "start", "next"]
  memory = {name for name in start.outputs if name.startswith("carry_")}
  assert memory == {"carry_code", "carry_count", "carry_features", "carry_frame"}
  assert set(following.inputs) == set(following.outputs) == {"frame", *memory}
  assert set(start.inputs) == {"frame"}
  assert str(start).startswith("start: frame float32 [b, h, w, 3] -> frame float32 [b, h, w, 3], c")
  fixed = signatures.of(streaming, (1, 1, 20, 24))
  assert [each.name for each in fixed] == ["start", "next"]
  assert fixed[1].inputs["carry_frame"].shape == (1, 10, 12, 12)


def test_frame_by_frame_equals_the_clip_over_fifty_frames(streaming):
  clip = scene((2, 50, 18, 22), streaming.traits)
  _, start, following = signatures.of(streaming)
  result = jax.jit(start.apply)(streaming.variables, {"frame": clip[:, 0]})
  step, frames = jax.jit(following.apply), [result.pop("frame")]
  for index in range(1, 50):
    result = step(streaming.variables, {"frame": clip[:, index], **result})
    frames.append(result.pop("frame"))
  whole = run(streaming, clip)
  assert np.ptp(whole) > 0.1
  np.testing.assert_allclose(np.stack(frames, axis=1), whole, atol=2e-5)
