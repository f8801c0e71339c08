# One command for each thing a contributor does. Every target makes what it needs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A process for each core; the tests of one file share its servers and databases.
PYTEST := $(BIN)/python -m pytest -n auto --dist loadfile
PORT ?= 7860
DATA ?= examples/maintenance/tickets.csv
DEMO_DIR ?= .demo

.DEFAULT_GOAL := help
.PHONY: help install demo serve test chaos conformance check lint format docs messages vendor screenshots bench migration clean

help: ## Say what each target does
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 20

install: $(BIN)/.installed ## Make .venv with everything, pinned by constraints.txt

$(BIN)/.installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt --editable '.[starter,postgres,s3]' --group dev
	touch $@

demo: install ## Run the whole loop once on real input; DATA=file.csv for yours
	$(BIN)/viveiro demo --data-dir $(DEMO_DIR) --data $(DATA)

serve: install ## Start the server on the demo's folder
	$(BIN)/viveiro serve --data-dir $(DEMO_DIR) --port $(PORT)

test: install ## Every test, with real servers, clients and databases
	$(PYTEST)

chaos: install ## Kill everything at random for several minutes, then look for damage
	$(BIN)/python -m tests.chaos

conformance: install ## Run the tests of huggingface_hub itself against a server of ours
	$(BIN)/python -m tests.conformance

check: lint ## What lint says, then the unit tests, which need no server
	$(PYTEST) tests/unit

lint: install ## Format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/ruff check --preview --select PLW1514 viveiro # a text file without an encoding has the locale's
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: install ## Mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: install ## Regenerate docs/reference from the code
	$(BIN)/python -m tools.reference

messages: install ## Gather the sentences that people read, and say which wait for a translation
	$(BIN)/python -m tools.messages

vendor: install ## Fetch again what pages load from other projects, checked
	$(BIN)/python -m tools.vendor

screenshots: install ## Draw every page, as pictures in .screenshots
	$(BIN)/python -m tools.screenshots

bench: install ## Print the hub's figures beside its peers'
	$(BIN)/python benchmarks/hub.py

migration: install ## Write a migration: make migration MESSAGE="what changes"
	$(BIN)/python -m tools.migration "$(MESSAGE)"

clean: ## Remove .venv, caches and the demo's folder
	rm -rf $(VENV) .conformance $(DEMO_DIR) .mypy_cache .ruff_cache .pytest_cache .hypothesis
