# Each target sets up what it needs: a virtual environment in .venv, made once and again when pyproject.toml changes.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := runs/demo
# A third of the time of an exact evaluation, and at most 0.5 dB below it.
IN_DEMO := protocol=shapes13_unseen quality=high precision=auto

.DEFAULT_GOAL := help
.PHONY: help demo test check gpu-check lint imports types docs clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(STAMP): pyproject.toml datasets/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "pixelnerf needs Python 3.11 or newer, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1);" \
	       "name another with: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' has no venv module (Debian and Ubuntu: apt install python3-venv)" >&2; exit 1; }
	@echo "Installing into $(VENV); once, some minutes (PyTorch is large)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --progress-bar off -e '.[dev,docs,sweep]' -e ./datasets
	@touch $@

demo: $(STAMP) ## data, five minutes of training, few-shot evaluation of it and of our weights on unseen categories
	$(BIN)/python scripts/make_shapes13.py
	$(BIN)/python train.py experiment=quickstart hydra.run.dir=$(DEMO)/training
	$(BIN)/python eval_fewshot.py checkpoint=$(DEMO)/training/checkpoints/best.ckpt $(IN_DEMO) output=$(DEMO)
	$(BIN)/python eval_fewshot.py checkpoint=weights/shapes13.safetensors $(IN_DEMO) output=$(DEMO)/weights
	@$(BIN)/python scripts/compare_evaluations.py --title 'pixelnerf: the demo' --output $(DEMO)/index.html \
	  'Five minutes of training=$(DEMO)' 'Weights of this repository=$(DEMO)/weights'

test: $(STAMP) ## all tests, on the CPU
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --durations=10

lint: $(STAMP) ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

imports: $(STAMP) ## import-linter: which room may import which
	$(BIN)/lint-imports --no-logo

types: $(STAMP) ## basedpyright
	$(BIN)/basedpyright --pythonpath $(BIN)/python

docs: $(STAMP) ## these pages as HTML, in docs/_build/html; the examples in them are run
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -b doctest -W --keep-going -q docs docs/_build/doctest
	@echo "docs/_build/html/index.html"

gpu-check: $(STAMP) ## tests, a minute of training, the weights and the benchmark on a GPU (parts were run, never all)
	@$(BIN)/python -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' || { \
	  echo "torch finds no GPU here" >&2; exit 2; }
	$(BIN)/python -m pytest -q
	$(BIN)/python train.py experiment=quickstart trainer.max_minutes=1 hydra.run.dir=runs/gpu-check/training
	$(BIN)/python eval_fewshot.py checkpoint=weights/shapes13.safetensors protocol=shapes13_unseen device=cuda precision=auto output=runs/gpu-check
	$(BIN)/python scripts/benchmark.py device=cuda output=runs/gpu-check/benchmark

check: lint imports types test ## lint, contracts of imports, types and tests: what CI runs

clean: ## remove the environment and caches; data and runs stay
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache docs/_build docs/_generated
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
