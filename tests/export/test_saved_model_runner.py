import importlib
import sys

import pytest

from llve_jax.export.saved_model_runner import NoJax


def test_an_installed_jax_looks_missing(monkeypatch):
  monkeypatch.setattr(sys, "meta_path", [NoJax(), *sys.meta_path])
  for name in ("jax", "jaxlib"):
    monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ModuleNotFoundError, match="hidden"):
      importlib.import_module(name)


def test_everything_else_is_found(monkeypatch):
  monkeypatch.setattr(sys, "meta_path", [NoJax(), *sys.meta_path])
  monkeypatch.delitem(sys.modules, "colorsys", raising=False)
  assert importlib.import_module("colorsys").rgb_to_hsv(0, 0, 0) == (0, 0, 0)
  assert NoJax().find_spec("jaxtyping", None) is None
