"""What accelerators can do at best: arithmetic, memory, links.

TPUs: Google Cloud, "TPU v4", "TPU v5e", "TPU v5p" and "TPU v6e" under "Cloud TPU > System
architecture" (docs.cloud.google.com/tpu/docs/v4, .../v5e, .../v5p, .../v6e). The pages give the
links of a chip in both directions together; of v4 they do not, its links are those of Jouppi et
al., "TPU v4", ISCA 2023 (arXiv 2304.01433). GPUs: NVIDIA's data sheets, without sparsity.
"""

import dataclasses

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Chip:
  """One generation of TPU; a chip is what JAX calls a device.

  Attributes:
    name: as in the name of a topology, "v5e".
    device_kind: as JAX reports it.
    flops: bfloat16 operations per second at the peak; a multiply-add is two.
    memory: bytes of high-bandwidth memory (HBM).
    memory_rate: its bytes per second.
    link_rate: bytes per second of one link to a neighbour, in one direction.
    dimensions: of the torus; a chip has two links in each.
    ring: sizes along a dimension that close to a ring are its multiples; others are lines.
    clock: cycles per second, at which its matrix units reach `flops`.
    host: chips of the smallest slice, which has one host.
    most: chips of the largest slice.
  """

  name: str
  device_kind: str
  flops: float
  memory: int
  memory_rate: float
  link_rate: float
  dimensions: int
  ring: int
  clock: float
  host: tuple[int, ...]
  most: int


# Matrix units of a chip that each multiply-add 128 x 128 numbers in a cycle: v4 8, v5e 4, v5p 8;
# those of v6e are as much as 16.
CHIPS = {
  chip.name: chip
  for chip in (
    Chip("v4", "TPU v4", 275e12, 32 * GIB, 1.2e12, 50e9, 3, 4, 1.05e9, (2, 2, 1), 4096),
    Chip("v5e", "TPU v5 lite", 197e12, 16 * GIB, 819e9, 50e9, 2, 16, 1.5e9, (2, 2), 256),
    Chip("v5p", "TPU v5", 459e12, 95 * GIB, 2.765e12, 100e9, 3, 4, 1.75e9, (2, 2, 1), 6144),
    Chip("v6e", "TPU v6 lite", 918e12, 32 * GIB, 1.64e12, 100e9, 2, 16, 1.75e9, (2, 2), 256),
  )
}

# Dense bfloat16 operations per second, by the device kind that JAX reports; the first match counts.
_GPUS = (
  ("H100 PCIe", 756e12),
  ("H100", 989.4e12),
  ("H200", 989.4e12),
  ("A100", 312e12),
)


def peak_flops(device_kind: str) -> float | None:
  """bfloat16 operations per second of `jax.Device.device_kind` at the peak; None: not known."""
  for chip in CHIPS.values():
    if device_kind == chip.device_kind:
      return chip.flops
  return next((peak for name, peak in _GPUS if name in device_kind), None)
