# Each target is one line, so that what runs is what you read.
PYTHON ?= python3
ROOT ?= demo
BIN = .venv/bin

.PHONY: install demo serve test test-all lint format lock
.DEFAULT_GOAL := demo

.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv && $(BIN)/pip install --quiet --requirement requirements.lock && $(BIN)/pip install --quiet --no-deps --editable . && touch $@

install: .venv/installed

demo: install
	$(BIN)/cirray demo --root $(ROOT) $(ARGS)

serve: install
	$(BIN)/cirray serve --root $(ROOT) --index css-2d $(ARGS)

test: install
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

test-all: install
	$(BIN)/python -m pytest $(ARGS)

lint: install
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: install
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: install
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --all-extras --no-header --no-annotate --output-file requirements.lock pyproject.toml
