import jax
import numpy as np
import pytest
import tensorflow as tf

from llve_jax.errors import UserError
from llve_jax.models.conv_lstm import ConvLSTM
from llve_jax.models.resnet_encoder import ResNetEncoder
from llve_jax.zoo import import_resnet

TINY = {"width": 4, "blocks": (2, 1)}


def norm(name: str, width: int) -> dict[str, tuple[int, ...]]:
  parts = ("weight", "bias", "running_mean", "running_var")
  return {**{f"{name}.{part}": (width,) for part in parts}, f"{name}.num_batches_tracked": ()}


def shapes_of_torchvision(width=64, blocks=(2, 2, 2, 2)) -> dict[str, tuple[int, ...]]:
  """Names and shapes of torchvision.models.resnet18().state_dict(), from its documentation."""
  shapes = {"conv1.weight": (width, 3, 7, 7), **norm("bn1", width)}
  before = width
  for level, count in enumerate(blocks):
    here = width * 2**level
    for index in range(count):
      name = f"layer{level + 1}.{index}"
      shapes |= {f"{name}.conv1.weight": (here, before, 3, 3), **norm(f"{name}.bn1", here)}
      shapes |= {f"{name}.conv2.weight": (here, here, 3, 3), **norm(f"{name}.bn2", here)}
      if before != here:
        shapes |= {f"{name}.downsample.0.weight": (here, before, 1, 1)}
        shapes |= norm(f"{name}.downsample.1", here)
      before = here
  return {**shapes, "fc.weight": (1000, before), "fc.bias": (1000,)}


def state_dict(**kwargs) -> dict[str, np.ndarray]:
  random = np.random.default_rng(0)

  def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("num_batches_tracked"):
      return np.asarray(7, np.int64)
    if name.endswith(("running_var", "bn1.weight", "bn2.weight", "downsample.1.weight")):
      return random.uniform(0.5, 1.5, shape).astype(np.float32)
    return (0.2 * random.normal(size=shape)).astype(np.float32)

  return {name: draw(name, shape) for name, shape in shapes_of_torchvision(**kwargs).items()}


def test_resnet18_fits_in_full():
  tensors = {name: np.zeros(shape, np.float32) for name, shape in shapes_of_torchvision().items()}
  assert len(tensors) == 122, "entries of torchvision's file"
  variables = import_resnet.convert(tensors)
  assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == 11_176_512


def torchvision(tensors, images):
  """torchvision's forward pass up to layer 2, with its own names, in TensorFlow operations."""

  def conv(x, name, normalisation, stride=1):
    kernel = tensors[f"{name}.weight"].transpose(2, 3, 1, 0)
    pad = [kernel.shape[0] // 2] * 2
    x = tf.nn.conv2d(x, kernel, stride, [[0, 0], pad, pad, [0, 0]])
    parts = ("running_mean", "running_var", "bias", "weight")
    return tf.nn.batch_normalization(x, *(tensors[f"{normalisation}.{p}"] for p in parts), 1e-5)

  def block(x, name, stride=1):
    y = tf.nn.relu(conv(x, f"{name}.conv1", f"{name}.bn1", stride))
    y = conv(y, f"{name}.conv2", f"{name}.bn2")
    if stride == 2:
      x = conv(x, f"{name}.downsample.0", f"{name}.downsample.1", 2)
    return tf.nn.relu(x + y)

  x = (images - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
  x = tf.nn.relu(conv(x, "conv1", "bn1", 2))
  x = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-np.inf)
  first = block(block(tf.nn.max_pool2d(x, 3, 2, "VALID"), "layer1.0"), "layer1.1")
  return first, block(first, "layer2.0", 2)


def test_the_encoder_computes_what_torchvision_defines():
  tensors = state_dict(**TINY)
  module = ResNetEncoder(**TINY)
  images = np.random.default_rng(1).random((2, 16, 24, 3), dtype=np.float32)
  found = jax.jit(module.apply)(import_resnet.convert(tensors, module), images)
  for ours, theirs in zip(found, torchvision(tensors, images), strict=True):
    np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


def test_a_network_gets_the_encoder_and_keeps_the_rest():
  clip = np.zeros((1, 1, 8, 8, 3), np.float32)
  shapes = jax.eval_shape(ConvLSTM(**TINY).init, jax.random.key(0), clip)
  variables = jax.tree.map(lambda leaf: np.full(leaf.shape, 0.5, np.float32), shapes)
  encoder = import_resnet.convert(state_dict(**TINY), ResNetEncoder(**TINY))
  found = import_resnet.with_encoder(variables, encoder)
  assert jax.tree.structure(found) == jax.tree.structure(variables)
  for kind in ("params", "batch_stats"):
    jax.tree.map(np.testing.assert_array_equal, found[kind]["features"]["encoder"], encoder[kind])
  rest = found["params"]["cell"], found["params"]["features"]["fusion"]
  before = variables["params"]["cell"], variables["params"]["features"]["fusion"]
  jax.tree.map(np.testing.assert_array_equal, rest, before)
  small = import_resnet.convert(state_dict(width=4, blocks=(1,)), ResNetEncoder(4, (1,)))
  with pytest.raises(UserError, match=r"is .* in the network and missing in the weights"):
    import_resnet.with_encoder(variables, small)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"bn1.weight": None}, "bn1.weight is missing"),
    ({"layer1.0.conv3.weight": np.zeros((4, 4, 1, 1))}, "layer1.0.conv3.weight is surplus"),
    ({"conv1.weight": np.zeros((4, 3, 3, 3))}, "conv1.weight has shape .*expected"),
  ],
)
def test_weights_of_another_architecture_are_named(change, message):
  tensors = {**state_dict(**TINY), **change}
  tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
  with pytest.raises(UserError, match=f"resnet50.pth: .*{message}"):
    import_resnet.convert(tensors, ResNetEncoder(**TINY), source="resnet50.pth")
