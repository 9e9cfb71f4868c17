# `make` checks everything; `make help` lists the rest.
VENV ?= .venv
BIN := $(VENV)/bin
# many tests wait for the server: more of them than processors
JOBS ?= 4
SERVERS ?= 13,14,15,15-debian,16,17,18
BENCH ?= --write
# disturbed runs in the matrix, over all servers; `make test` has ten
CHAOS ?= 600

.PHONY: all setup demo test test-matrix bench dist docs docs-site lint types clean help
.DEFAULT_GOAL := all

all: lint types test ## lint, types and tests

setup: ## make the virtual environment (does nothing when it is there)
	@VENV='$(VENV)' sh scripts/bootstrap.sh

demo: setup ## run the example project on a PostgreSQL of its own
	@$(BIN)/dbmigrate demo

test: setup ## the tests but for the slow ones of the matrix, on one PostgreSQL server (TEST_DATABASE_URL, otherwise the embedded one)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

test-matrix: setup ## every test, those on databases on every server in SERVERS=13,15-debian,...
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --server-versions $(SERVERS) --chaos-rounds $(CHAOS)

bench: setup ## measure, and write bench/RESULTS.md (20 minutes); BENCH='--quick' or BENCH='--only startup' to look only
	$(BIN)/python -m bench $(BENCH)

dist: setup ## build what is published into dist/: wheel, sdist, and programs that need no Python
	$(BIN)/python scripts/programs/build.py

docs: setup ## check that the documentation says what the program does
	$(BIN)/python -m pytest tests/test_docs.py

docs-site: setup ## build the documentation site in build/docs/site, and look through it
	$(BIN)/python docs/build_site.py

lint: setup ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy --strict
	$(BIN)/mypy

clean: ## remove what the tools leave behind (not the virtual environment)
	rm -rf build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
