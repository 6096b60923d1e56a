"""What a published table is: rows, what their authors report, and how they measured it."""

import dataclasses
from collections.abc import Mapping

ALL = ("full", "cpu", "smoke")
TEMPORAL = ("psnr", "ssim", "flicker", "warp_err", "mse_mabd")


@dataclasses.dataclass(frozen=True)
class Row:
  """One row of a table.

  Attributes:
    label: what it is called on a page.
    config: NAME[:VARIANT,...], NAME a file of `experiments/configs` without suffix; empty: nothing
      of it can be had, only what is published, and `note` says why.
    published: metric name -> the authors' figure; empty where there is none.
    note: what a reader of the figure must know.
    sizes: of a sweep at which it can be trained; the small ones are on embedded data.
    model: a method without training that stands in this row; `config` then names the data alone.
    protocol: that this method is scored under; empty: the configuration's.
  """

  label: str
  config: str
  published: Mapping[str, float] = dataclasses.field(default_factory=dict)
  note: str = ""
  sizes: tuple[str, ...] = ALL
  model: str = ""
  protocol: str = ""


@dataclasses.dataclass(frozen=True)
class Table:
  """A published table.

  Attributes:
    title: of the table.
    source: who published it, where in it.
    data: what the published figures were measured on.
    protocol: how they were.
    rows: name, as in folders and flags, to row.
    metrics: our metrics that are shown, in this order.
    ranked: pairs (our metric, published metric) by which the order of rows is compared; none
      where rows were published on different data.
    note: what a reader of the table must know.
    flags: further ones of `experiments.evaluate` that its metrics need.
  """

  title: str
  source: str
  data: str
  protocol: str
  rows: Mapping[str, Row]
  metrics: tuple[str, ...] = ("psnr", "ssim")
  ranked: tuple[tuple[str, str], ...] = (("psnr", "psnr"), ("ssim", "ssim"))
  note: str = ""
  flags: tuple[str, ...] = ()
