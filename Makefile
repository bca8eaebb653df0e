# Two commands for a newcomer: make demo, make test. Each sets up what it needs.
PYTHON ?= python3
UV := .venv/bin/uv
# A made environment is a stamp file: it is made again when its lock changes.
.DEFAULT_GOAL := help

.PHONY: help demo test check statemachine lock clean
help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.venv/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Stepdrain needs Python 3.11 or newer.")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9
	@touch $@

.venv/run: requirements/run.txt pyproject.toml | .venv/uv
	$(UV) pip install --quiet --python .venv/bin/python --require-hashes -r requirements/run.txt
	$(UV) pip install --quiet --python .venv/bin/python --no-deps --editable .
	@touch $@

.venv/test: requirements/test.txt | .venv/run
	$(UV) pip install --quiet --python .venv/bin/python --require-hashes -r requirements/test.txt
	@touch $@

.venv/lint: requirements/lint.txt | .venv/test
	$(UV) pip install --quiet --python .venv/bin/python --require-hashes -r requirements/lint.txt
	@touch $@

.venv-author/made: requirements/author.txt | .venv/uv
	$(PYTHON) -m venv .venv-author
	$(UV) pip install --quiet --python .venv-author/bin/python --require-hashes -r requirements/author.txt
	@touch $@

demo: .venv/run  ## Drain one node of a three-node cluster, live, in this process (ARGS="--help" shows options)
	@.venv/bin/python -m sandbox.demo $(ARGS)

test: .venv/test  ## Run the whole test-suite
	.venv/bin/pytest -n 2 $(ARGS)

check: .venv/lint  ## Run the linters: ruff, mypy, import-linter
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy functions
	.venv/bin/lint-imports --no-logo

statemachine: .venv-author/made  ## Render statemachine/*.asl.json from the authoring source
	.venv-author/bin/python statemachine/drain_node.py $(ARGS)

lock: .venv/uv  ## Pin the dependencies again, to the newest that pyproject.toml allows
	set -e; for group in run test lint author; do \
	  groups=$$(case $$group in run) ;; test) echo --group pyproject.toml:test ;; \
	    lint) echo --group pyproject.toml:test --group pyproject.toml:lint ;; \
	    author) echo --group pyproject.toml:author ;; esac); \
	  source=$$(test $$group = author || echo pyproject.toml); \
	  $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate \
	    --generate-hashes $$source $$groups --output-file requirements/$$group.txt; \
	done

clean:  ## Remove environments and whatever was built
	rm -rf .venv .venv-author .aws-sam out build
