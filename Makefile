# Two commands for a newcomer: make demo, make test. Each sets up what it needs.
PYTHON ?= python3
UV := .venv/bin/uv
# Bytecode at once: where Python is told to write none, each process would compile for two seconds.
INSTALL := $(UV) pip install --quiet --compile-bytecode --require-hashes --python
# A made environment is a stamp file: it is made again when its lock changes.
.DEFAULT_GOAL := help

.PHONY: help demo test test-long test-all test-more quick bench bench-docs bench-storm mutants check expand lint-template build site release release-smoke wheel wheel-smoke terraform examples graph cli-docs statemachine lock clean
help:  ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

.venv/uv:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Stepdrain needs Python 3.11 or newer.")'
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check uv==0.13.9
	@touch $@

.venv/run: requirements/run.txt pyproject.toml | .venv/uv
	$(INSTALL) .venv/bin/python -r requirements/run.txt
	$(UV) pip install --quiet --python .venv/bin/python --no-deps --editable .
	@touch $@

.venv/test: requirements/test.txt | .venv/run
	$(INSTALL) .venv/bin/python -r requirements/test.txt
	@touch $@

.venv/lint: requirements/lint.txt | .venv/test
	$(INSTALL) .venv/bin/python -r requirements/lint.txt
	@touch $@

.venv/bench: requirements/bench.txt | .venv/test
	$(INSTALL) .venv/bin/python -r requirements/bench.txt
	@touch $@

.venv-author/made: requirements/author.txt | .venv/uv
	$(PYTHON) -m venv .venv-author
	$(INSTALL) .venv-author/bin/python -r requirements/author.txt
	@touch $@

# Three environments: their dependencies contradict each other.
.venv-sam/made: requirements/sam.txt | .venv/uv
	$(PYTHON) -m venv .venv-sam
	$(INSTALL) .venv-sam/bin/python -r requirements/sam.txt
	@touch $@

.venv-cfn-lint/made: requirements/cfn-lint.txt | .venv/uv
	$(PYTHON) -m venv .venv-cfn-lint
	$(INSTALL) .venv-cfn-lint/bin/python -r requirements/cfn-lint.txt
	@touch $@

.venv-checkov/made: requirements/checkov.txt | .venv/uv
	$(PYTHON) -m venv .venv-checkov
	$(INSTALL) .venv-checkov/bin/python -r requirements/checkov.txt
	@touch $@

.venv-release/made: requirements/release.txt | .venv/uv
	$(PYTHON) -m venv .venv-release
	$(INSTALL) .venv-release/bin/python -r requirements/release.txt
	@touch $@

.venv-docs/made: requirements/docs.txt | .venv/uv
	$(PYTHON) -m venv .venv-docs
	$(INSTALL) .venv-docs/bin/python -r requirements/docs.txt
	@touch $@

statemachine/linters/node_modules/made: statemachine/linters/package-lock.json
	npm ci --prefix statemachine/linters --no-audit --no-fund --silent
	@touch $@

demo: .venv/run  ## Drain one node of a three-node cluster, live, in this process (SCENARIO=edges, refresh or roll shows more; ARGS="--help" all options)
	@rm -f out/demo/history.json; status=0; .venv/bin/python -m stepdrain_sandbox.demo $(if $(SCENARIO),--scenario $(SCENARIO)) $(ARGS) || status=$$?; \
	  [ ! -f out/demo/history.json ] || .venv/bin/stepdrain report --from-file out/demo/history.json \
	    --audit out/demo/audit.jsonl --out out/demo/report.html | sed 's/^/Report: /'; exit $$status

# What shares a module's fixture stays in one process (tests/conftest.py).
PROCESSES := -n 2 --dist loadgroup
# Where Python is told to write no bytecode, each process would compile the tests for four seconds, each time.
test test-long test-all test-more quick: export PYTHONDONTWRITEBYTECODE :=
test: .venv/test  ## Run the test suite, with a sample of what is long by nature
	.venv/bin/pytest $(PROCESSES) $(ARGS)

test-long: .venv/test  ## Run what `make test` leaves out: the rest of the fault tables and of the generated nights
	.venv/bin/pytest $(PROCESSES) -m long $(ARGS)

test-all: .venv/test  ## Run everything: make test and make test-long
	.venv/bin/pytest $(PROCESSES) -m "" $(ARGS)

test-more: .venv/test  ## Run the property tests with twenty times as many, new examples
	HYPOTHESIS_PROFILE=more .venv/bin/pytest $(PROCESSES) -m "" tests/properties tests/steps $(ARGS)

mutants: .venv/test  ## Try a sample of mutants of the decisions against their modules' tests; exit 1 above 10 % alive (ARGS="--seed 2 states/routes"; minutes)
	.venv/bin/python tests/mutation_sample.py $(ARGS)

quick: .venv/test  ## Run the tests of one area within 30 seconds: AREA=rules, steps, world/test_drain.py (below tests/)
	@[ -n "$(AREA)" ] && [ -e "tests/$(AREA)" ] || { \
	  echo 'Name a folder or a file below tests/, for example: make quick AREA=rules' >&2; exit 2; }
	.venv/bin/pytest $(if $(filter world properties sandbox steps,$(AREA)),$(PROCESSES)) tests/$(AREA) $(ARGS)

bench: .venv/bench  ## Measure what a drain costs, beside kubectl drain; exit 1 if a target is missed (15 minutes)
	.venv/bin/python -m bench $(ARGS)

bench-storm: .venv/bench  ## Play storms of up to 2,000 instances against quotas, and write them into docs/performance.md (an hour on two idle cores, two with ARGS=--half; ARGS=--quick minutes)
	.venv/bin/python -m bench.storm $(ARGS)

bench-docs: .venv/bench  ## Write docs/performance.md and docs/measurements.md from what make bench measured
	.venv/bin/python -m bench --page

check: .venv/lint  ## Run the linters: ruff, mypy, import-linter
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy functions bench stepdrain_cli stepdrain_deployed stepdrain_engine stepdrain_recorded
	.venv/bin/lint-imports --no-logo

expand: .venv/run  ## Print template.yaml with its loops written out (ARGS="GroupNames=blue,green ClusterName=demo")
	@.venv/bin/python -m stepdrain_sandbox.aws.expand $(ARGS)

# checkov knows no loops: it gets the template written out.
LINTED = ClusterName=demo GroupNames=web-1,web_2
lint-template: .venv/run .venv-sam/made .venv-cfn-lint/made .venv-checkov/made statemachine/linters/node_modules/made  ## Check template.yaml (cfn-lint, sam validate, checkov) and the state machines (two linters from npm; needs Node.js)
	@mkdir -p out
	.venv-cfn-lint/bin/cfn-lint template.yaml docs/examples/pagerduty-rule.yaml
	SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam validate --lint --region eu-west-1
	.venv/bin/python -m stepdrain_sandbox.aws.expand $(LINTED) > out/expanded.yaml
	.venv-cfn-lint/bin/cfn-lint --ignore-checks W1033 W1035 W7001 -- out/expanded.yaml
	SAM_CLI_TELEMETRY=0 .venv-sam/bin/python tests/template/compare_with_sam.py out/expanded.yaml $(LINTED)
	.venv-checkov/bin/checkov --file out/expanded.yaml --framework cloudformation --compact --quiet --skip-download --config-file .checkov.yaml
	node statemachine/linters/lint.mjs statemachine/*.asl.json

build: .venv-sam/made  ## Build what sam deploys: the functions and their layer
	SAM_CLI_TELEMETRY=0 .venv-sam/bin/sam build

release: .venv-release/made  ## Build dist/ and tag the commit: make release VERSION=1.2.3 (ARGS=--trial only builds)
	PYTHONPATH=functions .venv-release/bin/python -m release $(VERSION) $(ARGS)

release-smoke: .venv-release/made  ## Build a release twice, compare the bytes, install it elsewhere and drain a node from it
	release/smoke.sh

terraform: .venv-release/made  ## Write the Terraform module's variables from template.yaml, and parse the module
	PYTHONPATH=functions .venv-release/bin/python -m release.terraform_module $(ARGS)
	for file in terraform/*.tf; do .venv-release/bin/hcl2tojson $$file >/dev/null || exit 1; done

site: .venv-docs/made  ## Build the documentation's site in build/site; a broken link or anchor fails
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --quiet --strict

wheel: .venv/uv  ## Build the wheel that operators install: build/wheel/*.whl
	$(UV) build --quiet --wheel --out-dir build/wheel .

wheel-smoke: .venv/test  ## Install the built wheel outside the checkout, without and with its extra, and run the commands there (2 minutes)
	.venv/bin/pytest tests/packaging/wheel_smoke.py $(ARGS)

examples: .venv/run  ## Write docs/examples again: two drains' reports, the same every time
	.venv/bin/python -m stepdrain_cli.examples $(ARGS)

graph: .venv/run  ## Draw docs/drain-node.svg from the rendered state machine (needs graphviz)
	.venv/bin/stepdrain graph --out docs/drain-node.svg $(ARGS)

cli-docs: .venv/run  ## Write docs/cli.md again from the help texts
	.venv/bin/python -m stepdrain_cli.manual $(ARGS)

statemachine: .venv-author/made  ## Render statemachine/*.asl.json from the authoring source
	.venv-author/bin/python statemachine/drain_node.py $(ARGS)
	.venv-author/bin/python statemachine/admit_node.py $(ARGS)

lock: .venv/uv  ## Pin the dependencies again, to the newest that pyproject.toml allows
	set -e; for group in run test lint bench author sam cfn-lint checkov docs release; do \
	  groups=$$(case $$group in run) ;; test) echo --group pyproject.toml:test ;; \
	    lint|bench) echo --group pyproject.toml:test --group pyproject.toml:$$group ;; \
	    *) echo --group pyproject.toml:$$group ;; esac); \
	  source=$$(case $$group in run|test|lint|bench) echo pyproject.toml --extra sandbox ;; esac); \
	  $(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --no-header --no-annotate \
	    --generate-hashes $$source $$groups --output-file requirements/$$group.txt; \
	done

clean:  ## Remove environments and whatever was built
	rm -rf .venv .venv-* .aws-sam out build
