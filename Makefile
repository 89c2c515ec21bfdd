# Everything a fresh machine needs is python3 (3.11 or newer), make and a package index.
# PYTHON=python3.12 picks another interpreter; TEST_FLAGS="-k stage" is handed to pytest in place of two workers;
# LOCK_FLAGS=--upgrade makes `make lock` take the newest releases instead of keeping the pins it can.

PYTHON ?= python3
TEST_FLAGS ?= -n 2 --dist loadgroup
LOCK_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
TOOLS := .venv-tools
TOOLS_STAMP := $(TOOLS)/.ready
PM4PY := 2.7.23

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup run test test-long test-tools check bench lock openapi clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

setup: $(STAMP) ## create .venv from requirements.lock, once

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "noces needs Python 3.11 or newer, but '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not there): install it or name one, as in 'make $(or $(MAKECMDGOALS),setup) PYTHON=python3.11'." >&2; exit 1; }
	@echo "Setting up $(VENV) from requirements.lock ..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: setup ## serve on http://127.0.0.1:8000 with a demo organisation, on SQLite in var/noces.db
	@mkdir -p var
	NOCES_DEMO=1 $(BIN)/noces serve --database sqlite:///var/noces.db --host 127.0.0.1 --port 8000

test: setup ## every promise, once
	$(BIN)/python -m pytest -m "not long" $(TEST_FLAGS)

test-long: setup ## the campaigns as well: more examples, more rounds
	$(BIN)/python -m pytest -m "long or not long" --hypothesis-profile=long $(TEST_FLAGS)

# PM4Py is AGPL: it is never a dependency, and stays in an environment and a process of its own.
test-tools: setup $(TOOLS_STAMP) ## what other tools find in our exports (installs PM4Py in .venv-tools)
	$(BIN)/python tests/tools/check.py $(TOOLS)/bin/python

$(TOOLS_STAMP): Makefile
	@echo "Setting up $(TOOLS) with PM4Py $(PM4PY) ..."
	@$(PYTHON) -m venv $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check pm4py==$(PM4PY)
	@touch $@

check: setup ## lint, format, types, import rules, dependencies and what is known of them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry .
	$(BIN)/python .ci/audit.py

bench: setup ## measure side by side
	$(BIN)/python -m bench

lock: setup ## write requirements.lock anew from pyproject.toml
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --all-extras --generate-hashes --allow-unsafe \
	  --strip-extras --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
	  $(LOCK_FLAGS) --output-file requirements.lock pyproject.toml

openapi: setup ## write the committed documents in openapi/ anew
	$(BIN)/noces openapi --write

clean: ## remove what can be made again (var/ stays)
	rm -rf $(VENV) $(TOOLS) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
