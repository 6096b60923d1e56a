import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.errors import UserError
from llve_jax.models.conv_lstm import ConvLSTM, ReleasedCells, ReportCell
from llve_jax.models.resnet_encoder import FrameFeatures

TINY = {"width": 4, "blocks": (1,)}
CLIP = np.random.default_rng(1).random((2, 3, 8, 12, 3), dtype=np.float32)
MAPS = np.random.default_rng(2).normal(size=(2, 3, 4, 5, 6)).astype(np.float32)


@pytest.mark.parametrize(
  ("form", "count"),
  [
    # encoder, fusion, gates, refinement, heads; all of 64 + 16 channels
    (
      "report",
      11_176_512 + 880_128 + (9 * 80 + 1) * 112 + 320_320 + 25 * 80 * 12 + 12 + 9 * 80 * 16 + 16,
    ),
    # encoder, decoder, fusion of two levels, cells 48 -> 32 -> 3
    (
      "released",
      11_176_512 + 2_504_864 + 184_064 + (9 * (48 + 32) + 1) * 128 + (9 * (32 + 3) + 1) * 12,
    ),
  ],
)
def test_parameter_count(form, count):
  shapes = jax.eval_shape(ConvLSTM(form=form).init, jax.random.key(0), jnp.zeros((1, 1, 9, 9, 3)))
  assert sum(leaf.size for leaf in jax.tree.leaves(shapes["params"])) == count


def sigmoid(x):
  return 1 / (1 + np.exp(-x))


def convolve(x, layer):
  """Cross-correlation of one image with zeros around it, by its definition."""
  kernel = np.asarray(layer["kernel"], np.float64)
  pad = kernel.shape[0] // 2
  padded = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
  out = np.zeros((*x.shape[:2], kernel.shape[-1]))
  for row, column in np.ndindex(*x.shape[:2]):
    window = padded[row : row + kernel.shape[0], column : column + kernel.shape[1]]
    out[row, column] = np.tensordot(window, kernel, 3)
  return out + np.asarray(layer.get("bias", 0.0), np.float64)


def refine(x, variables, name):
  params, stats = variables["params"][name], variables["batch_stats"][name]
  x = convolve(x, params["Conv_0"])
  norm, moved = params["BatchNorm_0"], stats["BatchNorm_0"]
  x = (x - moved["mean"]) / np.sqrt(np.asarray(moved["var"], np.float64) + 1e-5)
  return np.maximum(x * norm["scale"] + norm["bias"], 0)


def gate(layer, index, width):
  """One gate's own kernel and bias."""
  chosen = slice(index * width, (index + 1) * width)
  return {"kernel": layer["kernel"][..., chosen], "bias": layer["bias"][chosen]}


def report_cell(variables, maps, width, output):
  """The report's equations for one clip [t, h, w, c], in a loop over frames."""
  params = variables["params"]
  hidden = cell = np.zeros((*maps.shape[1:3], width))
  frames = []
  for f in maps:
    joined = np.concatenate([f, hidden], -1)
    w_o = {
      "kernel": params["gates"]["kernel"][..., -output:],
      "bias": params["gates"]["bias"][-output:],
    }
    forget = sigmoid(convolve(joined, gate(params["gates"], 0, width)))
    take = sigmoid(convolve(joined, gate(params["gates"], 1, width)))
    new = np.tanh(convolve(joined, gate(params["gates"], 2, width)))
    cell = forget * cell + take * new
    both = np.concatenate([cell, sigmoid(convolve(joined, w_o))], -1)
    refined = refine(refine(both, variables, "refine_0"), variables, "refine_1")
    hidden = convolve(refined, params["hidden"])
    frames.append(convolve(refined, params["head"]))
  return np.stack(frames), hidden, cell


def released_cells(variables, maps, widths):
  """Shi et al. 2015 without peepholes, for one clip [t, h, w, c]."""
  state = [(np.zeros((*maps.shape[1:3], width)),) * 2 for width in widths]
  frames = []
  for x in maps:
    for index, width in enumerate(widths):
      hidden, cell = state[index]
      layer = variables["params"][f"gates_{index}"]
      joined = np.concatenate([x, hidden], -1)
      forget, take, new, output = (convolve(joined, gate(layer, k, width)) for k in range(4))
      cell = sigmoid(forget) * cell + sigmoid(take) * np.tanh(new)
      x = sigmoid(output) * np.tanh(cell)
      state[index] = (x, cell)
    frames.append(x)
  return np.stack(frames), state


def run(cell, variables, maps):
  """Frame by frame, without a loop of JAX."""
  memory, frames = cell.start(maps), []
  step = jax.jit(lambda memory, frame: cell.apply(variables, memory, frame))
  for time in range(maps.shape[1]):
    memory, frame = step(memory, maps[:, time])
    frames.append(frame)
  return np.stack(frames, 1), memory


@pytest.fixture
def cell_variables(drawn):
  def draw(cell):
    class Alone:  # what `drawn` needs of a module
      def init(self, key, frame):
        return cell.init(key, cell.start(frame), frame[:, 0])

    return drawn(Alone(), MAPS)

  return draw


def test_the_cell_is_the_reports_equations(cell_variables):
  cell = ReportCell(cell=2, output=3, features=4)
  variables = cell_variables(cell)
  found, memory = run(cell, variables, MAPS)
  for index, maps in enumerate(MAPS):
    expected, hidden, state = report_cell(variables, maps, 2, 3)
    np.testing.assert_allclose(found[index], expected, atol=1e-5 * np.abs(expected).max())
    np.testing.assert_allclose(memory["hidden"][index], hidden, atol=1e-4)
    np.testing.assert_allclose(memory["cell"][index], state, atol=1e-5)


def test_the_released_cells_are_the_usual_ones(cell_variables):
  cell = ReleasedCells(widths=(3, 2))
  variables = cell_variables(cell)
  found, memory = run(cell, variables, MAPS)
  for index, maps in enumerate(MAPS):
    expected, state = released_cells(variables, maps, (3, 2))
    np.testing.assert_allclose(found[index], expected, atol=1e-5)
    for layer, (hidden, cells) in enumerate(state):
      np.testing.assert_allclose(memory[f"hidden_{layer}"][index], hidden, atol=1e-5)
      np.testing.assert_allclose(memory[f"cell_{layer}"][index], cells, atol=1e-5)


@pytest.mark.parametrize("form", ["report", "released"])
def test_the_network_is_its_parts_frame_by_frame(drawn, form):
  """The loop over time equals calls one after another; TensorFlow brings it to full size."""
  module = ConvLSTM(**TINY, form=form)
  variables = drawn(module, CLIP)
  released = form == "released"
  result = jax.jit(module.apply)(variables, CLIP)

  def part(name):
    return {kind: tree[name] for kind, tree in variables.items() if name in tree}

  features = FrameFeatures(**TINY, decoder=released, fused=2, normalise=not released)
  apply = jax.jit(lambda images: features.apply(part("features"), images))
  maps = np.asarray(apply(CLIP.reshape(6, 8, 12, 3))).reshape(2, 3, 4, 6, -1)
  cell = ReleasedCells((2, 3)) if released else ReportCell(1, 4)
  frames, memory = run(cell, part("cell"), maps)
  if released:
    half = (frames + 1) / 2
    np.testing.assert_allclose(result["half"], half, atol=1e-5)
    half = half.reshape(6, 4, 6, 3)
    expected = tf.compat.v1.image.resize_bilinear(half, (8, 12), align_corners=True).numpy()
  else:
    expected = tf.nn.depth_to_space(frames.reshape(6, 4, 6, 12), 2).numpy()
  scale = np.abs(expected).max()
  np.testing.assert_allclose(result["clip"], expected.reshape(CLIP.shape), atol=1e-5 * scale)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5 * np.abs(b).max()),
    result["carry"],
    memory,
  )


def test_statistics_move_once_per_frame_as_in_a_plain_loop(drawn):
  module = ConvLSTM(**TINY, freeze_encoder=True)
  variables = drawn(module, CLIP)
  features = FrameFeatures(**TINY, decoder=False, freeze_encoder=True)
  cell = ReportCell(1, 4)
  params, stats = variables["params"], variables["batch_stats"]

  @jax.jit
  def loop(clip):
    maps, _ = features.apply(
      {"params": params["features"], "batch_stats": stats["features"]},
      clip.reshape(6, 8, 12, 3),
      train=True,
      mutable=["batch_stats"],
    )
    maps = maps.reshape(2, 3, 4, 6, -1)
    memory, moved = cell.start(maps), {"batch_stats": stats["cell"]}
    for time in range(3):
      (memory, _), moved = cell.apply(
        {"params": params["cell"], **moved}, memory, maps[:, time], True, mutable=["batch_stats"]
      )
    return moved["batch_stats"]

  expected = loop(CLIP)
  _, found = jax.jit(lambda v, x: module.apply(v, x, train=True, mutable=["batch_stats"]))(
    variables, CLIP
  )
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
    found["batch_stats"]["cell"],
    expected,
  )
  assert not np.allclose(expected["refine_0"]["BatchNorm_0"]["mean"], 0.1)


def test_sides_that_do_not_divide_are_reflected_and_cropped(drawn):
  module = ConvLSTM(**TINY, form="released")
  variables = drawn(module, CLIP)
  odd = CLIP[:, :, :7, :9]
  padded = np.pad(odd, ((0, 0), (0, 0), (0, 1), (0, 3), (0, 0)), mode="reflect")
  apply = jax.jit(module.apply)
  found, expected = apply(variables, odd), apply(variables, padded)
  np.testing.assert_allclose(found["clip"], expected["clip"][:, :, :7, :9], atol=1e-5)
  np.testing.assert_allclose(found["half"], expected["half"][:, :, :4, :5], atol=1e-5)


def test_memory_stays_float32_in_bfloat16(drawn):
  module = ConvLSTM(**TINY, dtype=jnp.bfloat16)
  shapes = jax.eval_shape(module.apply, drawn(module, CLIP), CLIP)
  assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {jnp.dtype("float32")}


def test_memory_of_another_size_or_form_is_refused(drawn):
  module = ConvLSTM(**TINY)
  variables = drawn(module, CLIP)
  carry = jax.eval_shape(module.apply, variables, CLIP)["carry"]
  larger = np.pad(CLIP, ((0, 0), (0, 0), (0, 8), (0, 0), (0, 0)))
  with pytest.raises(UserError, match=r"same size and form.* start anew with carry=None"):
    jax.eval_shape(module.apply, variables, larger, carry)
  with pytest.raises(UserError, match="same size and form"):
    jax.eval_shape(module.apply, variables, CLIP, {"hidden_0": carry["hidden"]})


@pytest.mark.parametrize(
  ("field", "message"),
  [
    ({"form": "paper"}, 'form is \'paper\'; expected "report" or "released"'),
    ({"input_kind": "bayer"}, "input_kind is 'bayer'; expected"),
  ],
)
def test_unknown_choices_are_refused(field, message):
  with pytest.raises(UserError, match=message):
    jax.eval_shape(ConvLSTM(**TINY, **field).init, jax.random.key(0), CLIP)


def test_traits():
  assert ConvLSTM().traits.stride == 32
  assert ConvLSTM().traits.whole_frame_only, "aligned corners depend on the size of the frame"
  assert not ConvLSTM(align_corners=False).traits.whole_frame_only
  assert ConvLSTM(input_kind="srgb").traits.input_kind == "srgb"
