# Everything runs in .venv, which is created by the first target that needs it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Tests mostly wait for Terraform, so more workers than cores are useful.
WORKERS ?= 4
# Tests start several hundred Python processes, which share the bytecode of modules.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint docs format audit bench clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "lokki_tf requires Python 3.11 or later, for example: make PYTHON=python3.12")'
	@echo "making $(VENV)"
	@(while sleep 5; do echo "  … still installing"; done) & life=$$!; trap "kill $$life" EXIT; set -e; \
	$(PYTHON) -m venv $(VENV); \
	$(BIN)/python -m pip install --progress-bar on --no-compile --upgrade pip; \
	$(BIN)/python -m pip install --progress-bar on --no-compile --editable '.[dev]'
	@touch $@

demo: $(READY) ## run the flights here and on a local AWS, with and without Terraform; compare
	$(BIN)/python examples/flights/demo.py

test: $(READY) ## run all tests; those that need Terraform or containers if available
	$(BIN)/python -m pytest -n $(WORKERS)

lint: $(READY) ## linter, formatter, types (mypy; users' with basedpyright too), layers, wording
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/typecheck.py
	$(BIN)/python tests/prose.py
	$(BIN)/codespell --toml pyproject.toml *.md docs examples lokki_tf

docs: $(READY) ## build the documentation into site/, which opens from disk: site/index.html
	$(BIN)/zensical build --strict --clean

format: $(READY) ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

audit: $(READY) ## validators of AWS and others on generated files (npm packages, checkov); forged inputs and faults
	$(BIN)/python tests/audit/audit.py

bench: $(READY) ## measure lokki_tf and other systems in one run
	$(BIN)/python -m pip install --quiet step-in-line==0.6.2 --no-deps networkx
	$(BIN)/python -m pip install --quiet dask 'prefect==3.8.*' 'fastapi<0.140' distributed joblib metaflow
	$(BIN)/python benchmarks/run.py

clean: ## remove what can be created again
	rm -rf $(VENV) site .cache .audit .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
