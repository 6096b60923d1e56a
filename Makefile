# make quickstart   install, build the embedded data, train, evaluate, enhance a clip, export
# make test         the whole test suite
# make test-fast    its quick tests, for work in between
# make lint         formatting, lint, types
# make venv         .venv with everything the above need, from requirements.lock
# make lock         renew requirements.lock from setup.py

SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# The slowest tests, for whoever marks them or makes them faster.
DURATIONS := --durations=20 --durations-min=5
# Where Python is told to keep no bytecode, as in many containers, every command would compile JAX
# and TensorFlow anew: 10 seconds instead of 4.
unexport PYTHONDONTWRITEBYTECODE
WORKERS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu)

.PHONY: venv quickstart test test-fast lint format lock
venv: .venv/installed

.venv/installed: requirements.lock setup.py
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11, 3.12 or 3.13 found; set PYTHON=..." >&2; exit 2; }
	rm -f $@
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip sync --quiet --python $(BIN)/python requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

quickstart: venv
	PATH="$(CURDIR)/$(BIN):$$PATH" launch/quickstart.sh quickstart

test: venv
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal $(DURATIONS) $(PYTEST_ARGS)

test-fast: venv
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=worksteal -m "not slow" $(DURATIONS) $(PYTEST_ARGS)

lint: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy llve_jax experiments tfds_builders setup.py

format: venv
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --no-annotate \
	  --custom-compile-command "make lock" --output-file requirements.lock setup.py
