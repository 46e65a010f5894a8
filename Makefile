# The two commands: `make demo` and `make test`. All else serves them; each target a few lines.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export PATH := $(abspath $(BIN)):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

SOURCES := $(shell find js/src js/schema -type f 2>/dev/null) js/package.json js/build.mjs js/bundle.mjs
BUNDLE  := inductiva_widgets/static/monitor.js.gz

.PHONY: help demo history test test-full conformance check format bench bench-full soak soak-downloads soak-kills soak-monitors soak-engine soak-live reliability mutations audit gallery build clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

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
	cd js && npm test --silent && npm run --silent test:full
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

bench-full: $(VENV)/.dev $(VENV)/.peers ## measure downloads beside all peers, some 20 minutes and 5 GB of temporary space
	@$(BIN)/python -m pip install --quiet -r requirements/bench.txt
	$(BIN)/python benchmarks/bench_outputs.py --full
	$(BIN)/python benchmarks/bench_collect.py
	$(BIN)/python benchmarks/bench_history.py --full
	$(BIN)/python benchmarks/bench_polling.py --full
	$(BIN)/python benchmarks/bench_engine.py
	$(BIN)/python benchmarks/bench_view.py --full

soak: soak-downloads soak-kills soak-monitors soak-engine soak-live ## all of the next five, 50 minutes

soak-downloads: $(VENV)/.dev ## 10,000 downloads through faults, some 25 minutes
	$(BIN)/python tests/functional/test_outputs_faults.py 10000

soak-kills: $(VENV)/.dev ## 200 downloads killed and gone on with, some 5 minutes
	$(BIN)/python tests/functional/test_outputs_kill.py 200

soak-monitors: $(VENV)/.dev ## 50 monitors for 8 hours of a virtual clock (HOURS) and 10 real minutes (MINUTES)
	$(BIN)/python tests/soak_monitors.py $(or $(HOURS),8) $(or $(MINUTES),10)

soak-engine: $(VENV)/.dev ## hundreds of crashes and kills of the local engine, a quarter of an hour
	$(BIN)/python tests/functional/test_engine_soak.py crashes 100
	$(BIN)/python tests/functional/test_engine_soak.py kills 100
	$(BIN)/python tests/functional/test_engine_soak.py tasks 1000
	$(BIN)/python -m pytest -m full tests/functional/test_engine_logs.py

soak-live: $(VENV)/.dev ## a log of 200 MB followed to its end, by each way
	$(BIN)/python tests/functional/soak_live.py

reliability: $(VENV)/.dev ## run the tests of the catalogue of faults and renew docs/reliability.md, some 5 minutes
	@$(BIN)/python scripts/chromium.py
	-cd js && npm test --silent -- --reporter=json --outputFile=build/tests.json
	$(BIN)/python -m pytest -m fault --vitest js/build/tests.json --reliability docs/reliability.md

mutations: $(VENV)/.dev ## break guards on purpose, one at a time: each must turn a test red, some 5 minutes
	$(BIN)/python tests/mutations.py

audit: $(VENV)-audit/.installed js/node_modules/.installed ## known vulnerabilities of all pins; needs the network
	$(VENV)-audit/bin/python scripts/audit.py

gallery: $(VENV)/.dev ## pictures of every state of the views, for docs/gallery.md, some minutes
	@$(BIN)/python scripts/chromium.py
	cd js && npm run --silent gallery && node gallery/sheets.mjs

build: $(BUNDLE) ## the front end

clean: ## forget everything that was built
	rm -rf $(VENV) $(VENV)-official $(VENV)-audit js/node_modules js/lib inductiva_widgets/static inductiva_widgets/labextension .demo

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

# Tables that ours is measured beside live apart: pandas behaves otherwise where pyarrow is.
$(VENV)/.peers: requirements/bench-view.txt $(VENV)/.tools
	$(BIN)/python -m pip install --quiet --no-deps --upgrade --target $(VENV)/peers -r requirements/bench-view.txt
	@touch $@

# The official client lives apart: its requirements are not ours, and nothing here imports it.
$(VENV)-official/.installed: requirements/official.txt $(VENV)/.tools
	$(BIN)/python tests/conformance/official_venv.py

# Apart as well: what the tool of `make audit` requires is not ours.
$(VENV)-audit/.installed: requirements/audit.txt
	$(PYTHON) -m venv $(VENV)-audit
	$(VENV)-audit/bin/python -m pip install --quiet -r requirements/audit.txt
	@touch $@
