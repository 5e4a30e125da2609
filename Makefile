# Each target is one line, so that what runs is what you read.
PYTHON ?= python3
ROOT ?= demo
BIN = .venv/bin

.PHONY: install install-all demo serve test test-all lint format lock
.DEFAULT_GOAL := demo

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv && $(BIN)/pip install --quiet --requirement requirements.lock && $(BIN)/pip install --quiet --no-deps --editable . && touch $@

install: .venv/installed

install-all: install
	$(BIN)/pip install --quiet --requirement requirements-all.lock

demo: install
	$(BIN)/cirray demo --root $(ROOT) $(ARGS)

serve: install
	$(BIN)/cirray serve --root $(ROOT) --index css-2d $(ARGS)

test: install
	$(BIN)/python -m pytest -m "not slow and not long" $(ARGS)

test-all: install
	$(BIN)/python -m pytest $(ARGS)

lint: install
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: install
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header --no-annotate pyproject.toml

lock: install
	$(LOCK) --extra dev --output-file requirements.lock && $(LOCK) --all-extras --constraint requirements.lock --output-file requirements-all.lock
