import dataclasses

import jax
import numpy as np
import pytest

from llve_jax.errors import UserError
from llve_jax.export import parity
from llve_jax.export.parity import Parity, Trial
from llve_jax.export.probes import Probe
from llve_jax.ops.frames import to_unit
from tests.export.conftest import GAIN_SIZES, gain_probes, run


def export_gain(tmp_path, gain, format, probes=None):
  format.write(gain, tmp_path / "model")
  return parity.measure(gain, tmp_path / "model", format.runner, probes or gain_probes())


def brightest() -> float:
  return max(probe.given.max() for probe in gain_probes())


def test_an_equal_export_passes(tmp_path, gain, numpy_format):
  found = export_gain(tmp_path, gain, numpy_format())
  assert [trial.name for trial in found.trials] == [
    f"serving_default, noise of {' x '.join(map(str, size))}" for size in GAIN_SIZES
  ]
  assert found.largest < 1e-7
  assert found.allowed == 1e-5
  found.check()


@pytest.mark.parametrize("change", [2e-4, -2e-4])
def test_the_difference_is_the_largest_absolute_one(tmp_path, gain, numpy_format, change):
  found = export_gain(tmp_path, gain, numpy_format(1 + change))
  assert found.largest == pytest.approx(2 * brightest() * 2e-4, rel=1e-2)
  assert all(0 < trial.mean < trial.largest for trial in found.trials)
  last = gain_probes()[1].given
  error = -10 * np.log10(np.mean((2 * last * 2e-4) ** 2))
  assert found.trials[1].psnr == pytest.approx(error, abs=0.1)
  with pytest.raises(UserError, match=r"differs from the network by .*noise of 2 x 3 x 4 x 1"):
    found.check()


def test_an_export_that_gives_no_numbers_is_refused(tmp_path, gain, numpy_format):
  found = export_gain(tmp_path, gain, numpy_format(np.nan))
  with pytest.raises(UserError, match="differs from the network by nan"):
    found.check()
  with pytest.raises(UserError, match="on the other"):
    Parity((trial(1.0, "one"), trial(np.nan, "the other")), 0.0).check()


def test_an_export_that_does_not_run_says_why(tmp_path, gain, numpy_format):
  with pytest.raises(UserError, match=r"a fresh process: RuntimeError: no such operation:\s+Gain$"):
    export_gain(tmp_path, gain, numpy_format(0))


def test_an_export_of_another_shape_is_refused(tmp_path, gain, numpy_format):
  with pytest.raises(UserError, match=r"turns serving_default \(1, 1, 3, 5, 3\) into \(2, 1, 1,"):
    export_gain(tmp_path, gain, numpy_format(np.ones((2, 1, 1, 1, 1, 1))))


def test_rounding_is_a_unit_in_the_last_place(tmp_path, gain, numpy_format):
  """A gain of 2 that moves by 2^-23 of itself."""
  found = export_gain(tmp_path, gain, numpy_format())
  assert found.rounding == pytest.approx(2 * brightest() * 2.0**-23, rel=0.5)
  assert found.rounding == max(trial.rounding for trial in found.trials)


def trial(largest: float, name: str = "it", psnr: float = 0.0, eight_bits: bool = False) -> Trial:
  return Trial(name, largest, largest, psnr, eight_bits)


@pytest.mark.parametrize(("way", "size"), [("planes", (1, 3, 4, 5)), ("frames", (2, 4, 5, 3))])
def test_the_network_gets_what_files_hold_in_its_own_range(signed_gain, way, size):
  codes = np.random.default_rng(0).integers(0, 256, size, np.uint8)
  given = to_unit(codes) if way == "planes" else codes
  found = parity._through(
    Probe(way, given), lambda clip: run(signed_gain, clip), signed_gain.traits
  )
  np.testing.assert_allclose(to_unit(found), np.clip(2 * (2 * to_unit(codes) - 1), 0, 1), atol=2e-3)


def test_what_rounding_alone_reaches_is_allowed():
  for largest, rounding in ((2.9e-5, 1e-5), (0.9e-5, 0.0)):
    Parity((trial(largest),), rounding).check()
  for largest, rounding in ((3.1e-5, 1e-5), (1.1e-5, 3e-6), (2e-3, 1.0), (2e-5, np.nan)):
    with pytest.raises(UserError):
      Parity((trial(largest),), rounding).check()


def test_what_float32_leaves_undecided_does_not_count():
  clear = Trial("serving_default, noise", 1e-6, 0.0, 0.0, rounding=1e-6)
  chaos = Trial("serving_default, noise of 1", 0.5, 0.1, 0.0, rounding=0.4)
  found = Parity((clear, chaos), 1e-6)
  found.check()
  assert found.largest == clear.largest
  assert [found.counts(each) for each in found.trials] == [True, False]
  for others in (
    (),  # nothing else says that the export is right
    (dataclasses.replace(clear, name="next, noise"),),  # nor that this way is
    (clear, dataclasses.replace(chaos, largest=np.nan)),
    (dataclasses.replace(clear, largest=2e-5),),
  ):
    with pytest.raises(UserError, match="differs from the network"):
      Parity((*others, chaos), 1e-6).check()


def test_eight_bits_may_be_rounded_to_either_side():
  exact = trial(0.0)
  Parity((exact, trial(1 / 255, eight_bits=True)), 0.0).check()
  with pytest.raises(UserError):
    Parity((exact, trial(2 / 255, eight_bits=True)), 0.0).check()
  with pytest.raises(UserError):
    Parity((exact, trial(1 / 255)), 0.0).check()


def test_pixels_that_rounding_lets_jump_are_judged_by_psnr():
  Parity((trial(0.01, psnr=60.1),), 0.0, discontinuous=True).check()
  Parity((trial(9e-6, psnr=50.0),), 0.0, discontinuous=True).check()
  for jumps, psnr in ((True, 59.0), (True, np.nan), (False, 99.0)):
    with pytest.raises(UserError, match="differs from the network"):
      Parity((trial(0.01, psnr=psnr),), 0.0, discontinuous=jumps).check()


def test_fewer_bits_are_judged_by_psnr():
  Parity((trial(0.01, psnr=50.1),), 0.0, "float16").check()
  with pytest.raises(UserError, match=r"PSNR 49.0 dB.*--precision=float32"):
    Parity((trial(0.01, psnr=49.0),), 0.0, "float16").check()
  Parity((trial(0.1, psnr=31.0),), 0.0, "int8").check()
  with pytest.raises(UserError):
    Parity((trial(0.1, psnr=np.nan),), 0.0, "int8").check()


def test_frames_in_eight_bits_are_those_of_the_network(tmp_path, gain, numpy_format):
  """The numpy format doubles bytes; so does a network with a gain of 2 where nothing is clipped."""
  frames = np.arange(60, dtype=np.uint8).reshape(2, 2, 5, 3)
  probes = [*gain_probes(), Probe("frames", frames), Probe("encoded", frames)]
  double = dataclasses.replace(numpy_format())
  double.write(gain, tmp_path / "model")
  np.save(tmp_path / "model" / "gain.npy", np.uint8(2))
  found = parity.measure(gain, tmp_path / "model", double.runner, probes)
  assert [trial.eight_bits for trial in found.trials] == [False, False, True, True]
  assert found.trials[2].largest == found.trials[3].largest == 0
  found.check()


def test_planes_are_those_of_the_frame_that_is_shown(tmp_path, gain, trail):
  planes = np.random.default_rng(0).random((1, 9, 4, 5), dtype=np.float32)

  def expected(network):
    return parity._through(Probe("planes", planes), lambda clip: run(network, clip), network.traits)

  doubled = np.clip(2 * planes[:, 3:6], 0, 1)
  np.testing.assert_allclose(expected(gain), doubled, atol=1e-6)
  past = 0.5 * planes[:, :3] + 0.5 * planes[:, 3:6]
  np.testing.assert_allclose(expected(trail), 0.5 * past + 0.5 * planes[:, 6:], atol=1e-6)


@pytest.mark.slow
def test_a_saved_model_with_other_weights_is_refused(folder, network, monkeypatch):
  from llve_jax.export import probes, saved_model

  found, run = [], parity._run

  def run_once(*arguments):
    found.append(found[0] if found else run(*arguments))
    return found[-1]

  monkeypatch.setattr(parity, "_run", run_once)  # the same export on the same probes
  tried = [Probe("serving_default", probes.noise((2, 1, 9, 7), network.traits, 0))]
  parity.measure(network, folder, saved_model.RUNNER, tried).check()
  variables = jax.tree.map(lambda leaf: leaf * 1.001, network.variables)
  other = dataclasses.replace(network, variables=variables)
  with pytest.raises(UserError, match="differs from the network"):
    parity.measure(other, folder, saved_model.RUNNER, tried).check()
