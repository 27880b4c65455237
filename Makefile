# Every target makes the virtual environment it needs, so each works from a bare clone.
PYTHON ?= python3
BIN := .venv/bin
WEB := tests/web/node_modules
export PATH := $(CURDIR)/$(BIN):$(PATH)
export NO_ALBUMENTATIONS_UPDATE := 1
export DVC_NO_ANALYTICS := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo pictures test slow faults trackers sam scale bench hostile fuzz lint smoke smoke-diff web clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name what; do \
		printf '  make %-11s %s\n' "$$name" "$$what"; done

setup: .venv/installed ## make the virtual environment in .venv, with the versions the tests run with

# Python's own pip takes twice as long.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip
	$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --editable '.[dev,weights,onnx,openvino]'
	touch $@

demo: setup ## train twice on synthetic steel (lr 1e-4 and 1e-3), compare, report; six to fifteen minutes
	@git config user.name >/dev/null && git config user.email >/dev/null || \
		{ echo 'Error: DVC needs your name: git config --global user.name NAME, user.email ADDRESS'; exit 1; }
	@for name in lr-1e-4 lr-1e-3; do dvc exp remove --quiet $$name || true; done
	dvc exp run --name lr-1e-4 --set-param train.lr=0.0001
	dvc exp run --name lr-1e-3 --set-param train.lr=0.001
	dvc metrics diff lr-1e-4 lr-1e-3
	steelcli report

pictures: setup ## draw the README's pictures from the finished run in this folder, with chromium
	python docs/draw_pictures.py

# `npm ci` writes the file of this name.
web: $(WEB)/.package-lock.json ## install what checks the script of the report's page

$(WEB)/.package-lock.json: tests/web/package.json tests/web/package-lock.json
	@command -v npm >/dev/null || \
		{ echo 'Error: npm is missing: install Node.js 20.19 or newer, whose tools check the page of the report'; exit 1; }
	npm ci --prefix tests/web --no-audit --no-fund --loglevel=error
	touch $@

test: setup $(if $(shell command -v npm),web) ## the default tests, a small training through every DVC stage among them
	OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

slow: setup ## the tests that take more than ten seconds each
	python -m pytest -m slow

faults: setup ## kill whole pipelines at random moments; about ten minutes
	python -m pytest -m faults -s

trackers: setup ## install the experiment trackers, and read back what they hold of a run
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[trackers]'
	python -m pytest -m trackers

sam: setup ## install transformers, and run the SAM2 example with a small random network
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[sam2]'
	python -m pytest -m sam2

scale: setup ## measure speed and memory over 10^8 pixels
	python -m pytest -m scale -s

bench: setup ## measure the speed as ratios against baselines, into bench/results.json
	python -m bench

hostile: setup ## run every hostile file through the command line; about fifteen minutes
	OMP_NUM_THREADS=1 python -m pytest -m hostile -n 2

fuzz: setup ## read tens of thousands of damaged files
	python -m pytest -m fuzz

lint: setup web ## format, lint, types, the page's script, and the workflow of CI against its schema
	ruff format --check .
	ruff check .
	mypy
	$(WEB)/.bin/tsc --project tests/web
	$(WEB)/.bin/eslint --config tests/web/eslint.config.mjs --max-warnings 0 steelcli/reporting/templates tests/web
	check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/ci.yml

smoke: setup ## two short trainings through every DVC stage, in a temporary clone
	python -m pytest tests/project/test_pipeline.py

BASE ?= origin/main
smoke-diff: setup ## train on a handful of images, here and at BASE; print the metrics that differ
	@.github/smoke_diff.sh $(BASE)

clean: ## remove the virtual environment, the tools of `make web` and the caches
	rm -rf .venv $(WEB) .pytest_cache .mypy_cache .ruff_cache .hypothesis build
