# Needs git, make and a Python 3.10 or 3.11 (on PATH, or kept by pyenv or uv); everything else is
# installed into .venv, once, and again when pyproject.toml or constraints.txt change.

SHELL := /bin/sh
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# More are quicker on a quiet machine, and miss their own deadlines on a busy one.
WORKERS ?= 2

.PHONY: run test lint types contracts pytest screenshots bench soak docs clean setup

run: $(READY)
	@$(BIN)/qtower

test: lint types contracts pytest

setup: $(READY)

$(READY): pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh $(VENV)

lint: $(READY)
	$(BIN)/ruff check src tests benchmarks tools
	$(BIN)/ruff format --check src tests benchmarks tools

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports --no-cache

pytest: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

screenshots: $(READY)
	$(BIN)/python tools/screenshots.py

# `make soak MINUTES=30 SEED=1`
soak: $(READY)
	@$(BIN)/python -m tests.soak --minutes $(or $(MINUTES),30) $(if $(SEED),--seed $(SEED))

bench: $(READY)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .hypothesis
