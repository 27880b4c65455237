# Every target makes the virtual environment it needs, so each works from a bare clone.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export NO_ALBUMENTATIONS_UPDATE := 1
export DVC_NO_ANALYTICS := 1

.PHONY: setup demo test slow faults trackers scale hostile fuzz errors lint smoke clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: setup ## train with two learning rates on synthetic steel, compare them, report
	@for name in lr-1e-4 lr-1e-3; do dvc exp remove --quiet $$name || true; done
	dvc exp run --name lr-1e-4 --set-param train.lr=0.0001
	dvc exp run --name lr-1e-3 --set-param train.lr=0.001
	dvc metrics diff lr-1e-4 lr-1e-3
	steelcli report

test: setup ## the whole default suite, a real two-stage smoke training included
	OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile

slow: setup ## what takes more than ten seconds a test
	python -m pytest -m slow

faults: setup ## kill whole pipelines at random moments, two dozen times; about ten minutes
	python -m pytest -m faults -s

trackers: setup ## install the experiment trackers and read back what they hold of a run
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[trackers]'
	python -m pytest -m trackers

scale: setup ## speed and memory over 10^8 pixels
	python -m pytest -m scale -s

hostile: setup ## every hostile case through the real command line, with its time and memory; about fifteen minutes
	OMP_NUM_THREADS=1 python -m pytest -m hostile -n 2

fuzz: setup ## tens of thousands of mutated files
	python -m pytest -m fuzz

errors: setup ## write docs/errors.md from the source
	PYTHONPATH=tests/support python tests/project/error_catalogue.py

lint: setup ## format, lint, types
	ruff format --check .
	ruff check .
	mypy

smoke: setup ## one epoch on a handful of images through every DVC stage
	python -m pytest tests/project/test_pipeline.py

clean: ## remove the virtual environment and the caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build
