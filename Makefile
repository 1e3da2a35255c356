PYTHON ?= python3
VENV ?= .venv-dev
BIN := $(VENV)/bin

.PHONY: quick test lint faults full coverage site

quick: $(BIN)/.ready
	$(BIN)/python -m pytest -q -m quick

test: $(BIN)/.ready
	$(BIN)/python -m pytest -q -n 2

lint: $(BIN)/.ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

faults: $(BIN)/.ready
	$(BIN)/python -m pytest -q -n 2 tests/faults

full: $(BIN)/.ready
	FULL=1 $(BIN)/python -m pytest -q -n 2 -m statistics

coverage: $(BIN)/.ready
	$(BIN)/coverage run -m pytest -q -m quick
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

site: $(BIN)/.ready
	$(BIN)/mkdocs build --strict

# A new environment whenever what it is made of has changed.
$(BIN)/.ready: requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install -q -r requirements-dev.lock
	$(BIN)/pip install -q --no-deps -e .
	touch $@
