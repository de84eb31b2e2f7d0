# What a newcomer needs: `make demo` and `make test`. Each does its own set-up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test format check test-pure test-e2e bench picture soak clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

setup: $(VENV)/.run ## Create .venv and install everything that `make demo` needs

setup-dev: $(VENV)/.dev ## The same with the tools for development

$(VENV)/bin/python:
	@echo "==> creating $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Torchquiz needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make demo PYTHON=python3.12")'
	@$(PYTHON) -m venv $(VENV) || { echo "Creating a virtual environment failed. On Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }

$(VENV)/.page: pyproject.toml | $(VENV)/bin/python
	@echo "==> installing Torchquiz"
	@$(PIP) --editable .
	@sh scripts/system-packages /run bubblewrap
	@touch $@

$(VENV)/.run: $(VENV)/.page
	@echo "==> installing torch (once; about a minute with a warm cache)"
	@$(PIP) --editable '.[run]'
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	@echo "==> installing the tools for development"
	@$(PIP) --editable '.[run,dev,discord,slack,anki]'
	@sh scripts/system-packages 'some tests' chromium iproute2 libseccomp2
	@touch $@

demo: $(VENV)/.page ## Play on a local web page: no token, no account (PORT=8000, TORCHQUIZ_HOME=…)
	@if $(MAKE) --question setup; then exec $(BIN)/torchquiz demo; fi; \
	exec $(BIN)/torchquiz demo --install "$(MAKE) --no-print-directory setup"  # torch comes while the page is up

test: setup-dev check ## Everything: format, lint, types, contracts, every proof of the bank, all tests
	@echo "==> content" && $(BIN)/torchquiz content check
	@echo "==> tests" && $(BIN)/python -m pytest -n 2 --dist loadgroup

format: setup-dev ## Format the code
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --quiet --fix .

check: setup-dev ## Format check, lint, types, import contracts
	@echo "==> format" && $(BIN)/ruff format --check .
	@echo "==> lint" && $(BIN)/ruff check .
	@echo "==> types" && $(BIN)/mypy bot workers tests bench
	@echo "==> contracts" && $(BIN)/lint-imports --no-cache

test-pure: setup-dev ## The tests of pure rules: seconds, on every save
	@$(BIN)/python -m pytest -q tests/core tests/bank

test-e2e: setup-dev ## Real processes and a real browser
	@$(BIN)/python -m pytest tests/e2e

bench: setup-dev ## Print the speed ratios (JSON=path also writes them)
	@$(BIN)/python -m bench $(if $(JSON),--json $(JSON))

picture: setup-dev ## Take the README's picture of the demo page
	@$(BIN)/python -m scripts.demo_picture

soak: setup-dev ## A thousand mixed runs (RUNS=1000), then the long versions of the tests (minutes)
	@$(BIN)/python -m tests.e2e.soak --runs $(or $(RUNS),1000)
	@$(BIN)/python -m pytest -m soak -n 2

clean: ## Remove the virtual environment and caches
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
