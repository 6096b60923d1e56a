"""All configurations and variants, by name."""

import importlib
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from experiments.configs import base

CONFIGS = sorted(
  path.stem
  for path in Path(base.__file__).parent.glob("*.py")
  if path.stem not in ("base", "__init__")
)


def module_of(name: str) -> Any:
  return importlib.import_module(f"experiments.configs.{name}")


def config_of(name: str, variants: str) -> ConfigDict:
  config = module_of(name).get_config(variants)
  config.vgg19.fallback = True  # its weights do not ship
  return config


def every_variant() -> list[tuple[str, str]]:
  return [(name, variant) for name in CONFIGS for variant in ("", *module_of(name).VARIANTS)]
