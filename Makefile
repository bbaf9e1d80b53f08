# Everything runs in .venv, which is made when it is not there and brought up to date when a lock has changed.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-header --no-emit-index-url --no-emit-find-links pyproject.toml

.PHONY: demo run test sim check bench docs dashboards lock

demo: $(STAMP)  ## the lab's vendors and the daemon together, live in this terminal; nothing leaves the machine
	$(BIN)/heliograph demo

run: $(STAMP)  ## the daemon with ./config.yaml: watch-only until a vendor is switched on
	$(BIN)/heliograph run

test: $(STAMP)  ## every test
	$(BIN)/python -m pytest -q

sim: $(STAMP)  ## 4,000 simulated troubles: requests fail, answers get lost, processes die
	$(BIN)/python -m tests.sim --seeds 4000

check: $(STAMP)  ## lint, format, types, floors
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy && $(BIN)/lint-imports --no-cache

bench: $(STAMP)  ## speed, as ratios against the disk and the bare driver
	$(BIN)/python -m tests.bench

docs: $(STAMP)  ## the settings tables in docs/, written anew from the code
	$(BIN)/python docs/generate.py

dashboards: $(STAMP)  ## dashboards/grafana, written anew from dashboards/source
	$(BIN)/python -m dashboards.source

lock: $(STAMP)  ## both locks, written anew from pyproject.toml; the first is of the image, traces included
	$(COMPILE) -o requirements.lock --extra otel $(UPGRADE)
	$(COMPILE) -o requirements-dev.lock -c requirements.lock --extra dev $(UPGRADE)

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "needs Python 3.11 or newer: make PYTHON=…")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
