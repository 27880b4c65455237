# Every target makes the virtual environment it needs, so each works from a bare clone.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export NO_ALBUMENTATIONS_UPDATE := 1
export DVC_NO_ANALYTICS := 1

.PHONY: setup demo test slow scale hostile fuzz lint smoke clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup ## train with two learning rates on synthetic steel, compare them, report
	dvc exp run --force --name lr-1e-4 --set-param train.lr=0.0001
	dvc exp run --force --name lr-1e-3 --set-param train.lr=0.001
	dvc metrics diff lr-1e-4 lr-1e-3
	steelcli report

test: setup ## the whole default suite, a real two-stage smoke training included
	python -m pytest

slow: setup ## what takes more than ten seconds a test
	python -m pytest -m slow

scale: setup ## speed and memory over 10^8 pixels
	python -m pytest -m scale -s

hostile: setup ## every hostile case through the real command line, with its time and memory
	python -m pytest -m hostile

fuzz: setup ## tens of thousands of mutated files
	python -m pytest -m fuzz

lint: setup ## format, lint, types
	ruff format --check .
	ruff check .
	mypy

smoke: setup ## one epoch on a handful of images through every DVC stage
	python -m pytest tests/test_pipeline.py

clean: ## remove the virtual environment and the caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build
