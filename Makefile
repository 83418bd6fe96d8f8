# Needs Python 3.11 or newer, pip and make; everything else comes from PyPI into .venv, by hashes.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test check rules editor oracle fuzz telling sentences bench chaos lock migration clean

BIN := .venv/bin
#: The newest Python that really starts (a version manager's stand-in may not).
FIND_PYTHON = for python in python3.15 python3.14 python3.13 python3.12 python3.11 python3 python; do \
	if $$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then break; fi; \
	python=; done; \
	if [ -z "$$python" ]; then echo "No Python 3.11 or newer on this machine; install one, then run make again." >&2; exit 1; fi

help: ## Say what can be made (this list)
	@echo "make <target>, one of:"
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## Make .venv with the `notifier` command (does nothing when it is up to date)
	@if [ ! -x $(BIN)/python ] || [ ! -x $(BIN)/notifier ] || ! cat requirements.lock pyproject.toml | cmp -s - .venv/installed; then \
		set -e; $(FIND_PYTHON); \
		[ -x $(BIN)/python ] && $(BIN)/python -c '' 2>/dev/null || { echo "Making .venv with $$($$python -V)"; \
			$$python -m venv --clear .venv 2>/dev/null || { $$python -m venv --clear --without-pip .venv && \
				$$python -m pip --python $(BIN)/python install --quiet pip; }; }; \
		echo "Installing what requirements.lock names"; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .; \
		cat requirements.lock pyproject.toml > .venv/installed; \
	fi

demo: setup ## Show the whole job on an invented register, ending with the inbox page
	@$(BIN)/notifier demo

test: setup ## Run every test, on SQLite, PostgreSQL, Redis, SMTP and HTTP servers of its own
	@$(BIN)/python -m pytest -n 2 --dist worksteal

check: setup ## Formatter, linter, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

rules: setup ## Play the tests of the rules that ship
	@$(BIN)/notifier rules test

editor: setup ## Try the schema of rules in a real YAML language server (needs node and npm)
	@command -v node >/dev/null && command -v npm >/dev/null || { \
		echo "node and npm are needed; on Debian and Ubuntu: apt-get install nodejs npm, then run make editor again." >&2; exit 1; }
	@npm install --silent --no-audit --no-fund --prefix .editor yaml-language-server@1.25.0
	@$(BIN)/python -m tests.editor.drive

oracle: setup ## Compare the engine with a second reading of the language, on invented rules and lives
	@$(BIN)/python -m tests.oracle

fuzz: setup ## Bend rules at random; the check must name every fault and never break
	@$(BIN)/python -m tests.fuzz --count 5000

telling: setup ## Write the shipped rules in sentences anew, after a change of rules or words (tests/data/telling)
	@$(BIN)/python -m tests.telling

sentences: setup ## Write which test proves which sentence of the rule language
	@$(BIN)/python -m tests.sentences

bench: setup ## Measure against other tools and the machine's limits (an hour; writes docs/performance.md)
	@$(BIN)/python -m benchmarks

chaos: setup ## Break servers and kill processes while a large batch is under way; nothing may be lost or told twice
	@$(BIN)/python -m benchmarks.chaos

lock: setup ## Bring requirements.lock up to date with pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --group dev --custom-compile-command "make lock" pyproject.toml -o requirements.lock

migration: setup ## Write the migration to the tables of the code: make migration NAME="Add a column"
	@$(BIN)/python -c 'import sys; from notifier.store.migrate import draft; print(draft(sys.argv[1]))' "$(NAME)"
	@$(BIN)/ruff format --quiet notifier/store/migrations

clean: ## Remove everything that was made
	@rm -rf .venv demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .editor .bench
	@find . -name __pycache__ -prune -exec rm -rf {} +
