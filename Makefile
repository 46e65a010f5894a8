# The two commands: `make demo` and `make test`. All else serves them; each target a few lines.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

SOURCES := $(shell find js/src js/schema -type f 2>/dev/null) js/package.json js/build.mjs
BUNDLE  := inductiva_widgets/static/widget.js

.PHONY: help demo history test test-full conformance check format bench bench-full soak build clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(VENV)/.demo ## open the demo in JupyterLab (PORT=…, NO_BROWSER=1)
	@exec $(BIN)/python scripts/demo.py

history: $(VENV)/.demo ## run 2,000 quick simulations in the demo's engine (HISTORY=COUNT), some 10 minutes
	@$(BIN)/python scripts/history.py $(HISTORY)

test: $(VENV)/.dev $(VENV)-official/.installed ## set everything up and pass all tests
	@$(BIN)/python scripts/chromium.py
	cd js && npm test --silent
	$(BIN)/python -m pytest -m "not full"

test-full: $(VENV)/.dev $(VENV)-official/.installed ## the tests that take longer as well
	@$(BIN)/python scripts/chromium.py
	cd js && npm test --silent
	$(BIN)/python -m pytest

conformance: $(VENV)/.dev $(VENV)-official/.installed ## the official client, unmodified, on the local engine
	$(BIN)/python -m pytest tests/conformance

check: $(VENV)/.dev ## lint, format, types, import layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	cd js && npm run --silent check

format: $(VENV)/.dev ## put everything into the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd js && npm run --silent format

bench: $(VENV)/.dev ## measure, a small version in minutes
	@$(BIN)/python -m pip install --quiet -r requirements/bench.txt
	$(BIN)/python benchmarks/run.py

bench-full: $(VENV)/.dev ## measure downloads beside all peers, some 20 minutes and 5 GB of temporary space
	@$(BIN)/python -m pip install --quiet -r requirements/bench.txt
	$(BIN)/python benchmarks/bench_outputs.py --full
	$(BIN)/python benchmarks/bench_collect.py
	$(BIN)/python benchmarks/bench_history.py --full
	$(BIN)/python benchmarks/bench_polling.py --full

soak: $(VENV)/.dev ## thousands of downloads through faults and kills, an hour
	$(BIN)/python tests/functional/test_outputs_faults.py 10000
	$(BIN)/python tests/functional/test_outputs_kill.py 200

build: $(BUNDLE) ## the front end

clean: ## forget everything that was built
	rm -rf $(VENV) $(VENV)-official js/node_modules js/lib inductiva_widgets/static inductiva_widgets/labextension .demo

# -- setting up ------------------------------------------------------------------------------

$(VENV)/.tools: requirements/demo.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements/demo.txt
	@touch $@

js/node_modules/.installed: js/package-lock.json js/package.json $(VENV)/.tools
	cd js && npm ci --loglevel=error
	@touch $@

$(BUNDLE): $(SOURCES) js/node_modules/.installed
	cd js && npm run --silent build

# The extension's files are copied into the environment, so a new bundle means a new install.
$(VENV)/.demo: $(BUNDLE) pyproject.toml inductiva_widgets/lab/install.json
	HATCH_JUPYTER_BUILDER_SKIP_NPM=1 $(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.demo
	$(BIN)/python -m pip install --quiet -r requirements/dev.txt
	@touch $@

# The official client lives apart: its requirements are not ours, and nothing here imports it.
$(VENV)-official/.installed: requirements/official.txt $(VENV)/.tools
	$(BIN)/python tests/conformance/official_venv.py
