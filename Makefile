# Two commands matter: `make run` and `make test`. Both start from nothing but Python 3.11 or newer and a package index.
# Plain enough for GNU make 3.81 (macOS); every path is relative, so that the checkout may stand in a path with a space.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check lock openapi bench migration clean

PIP := .venv/bin/python -m pip --disable-pip-version-check --quiet
COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" --extra embedded --group build $(UPGRADE) pyproject.toml

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /make \1	/p' Makefile | expand -t 16

run: .venv/run ## set up and serve on http://127.0.0.1:8000 (HOST, PORT)
	@exec .venv/bin/ballast serve

test: check ## set up, then everything that proves it, but what needs Node
	@.venv/bin/pytest -n logical -m 'not slow and not broad'
	@.venv/bin/ballast openapi --check

check: .venv/dev ## ruff and mypy
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/mypy

openapi: .venv/run ## write openapi/openapi.json anew
	@.venv/bin/ballast openapi

bench: .venv/dev ## measure against the limit and the peers
	@.venv/bin/python -m benchmarks

migration: .venv/dev ## make an empty migration: make migration NAME="add the mentor profile"
	@test -n "$(NAME)" || { echo 'Say what it does: make migration NAME="add the mentor profile"' >&2; exit 1; }
	@.venv/bin/alembic revision -m "$(NAME)"

lock: .venv/dev ## pin what pyproject.toml asks for; newer versions with UPGRADE=--upgrade
	@$(COMPILE) --output-file requirements.lock
	@$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean: ## remove what the other targets made; .data, where the embedded server keeps its data, stays
	@rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .ci/node/node_modules
	@find app tests alembic examples benchmarks -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

# The stamps .venv/run and .venv/dev say what is installed; they go with the environment.
.venv/run: requirements.lock pyproject.toml | .venv/bin/python
	@echo 'Installing requirements.lock into .venv'
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-index --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: requirements-dev.lock .venv/run
	@echo 'Installing requirements-dev.lock into .venv'
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

.venv/bin/python:
	@for python in $(if $(PYTHON),"$(PYTHON)",python3 python3.13 python3.12 python3.11); do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
			echo "Making .venv with $$("$$python" --version)"; \
			exec "$$python" -m venv --clear .venv; \
		fi; \
	done; \
	echo 'Ballast needs Python 3.11 or newer: install one, or name it with make PYTHON=/path/to/python3.' >&2; exit 1
