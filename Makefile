# Requirements: Python 3.11 or later and make. Node.js and the CDK CLI are installed by the targets.
CONFIG ?= hyperpod.yaml
OUT    ?= cdk.out
PYTHON ?= python3
BIN    := .venv/bin
# Node.js and npm of this project take precedence over other installations
WITH_NODE := PATH="$(CURDIR)/$(BIN):$$PATH"

.PHONY: synth test test-all check-first check-second check-rest unit lint types check mutants bootstrap diff deploy destroy bench docs lock clean help
.DEFAULT_GOAL := help

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

synth: .venv/installed  ## check CONFIG and synthesize it into OUT
	@HYPERPOD_CONFIG="$(CONFIG)" HYPERPOD_OUT="$(OUT)" $(BIN)/python app.py

test: lint types check  ## run all checks and tests that CI runs

check: .venv/installed-dev node_modules/installed  # run only the tests
	@$(MAKE) --no-print-directory -j 3 $(SYNC) check-first check-second check-rest

test-all: .venv/installed-dev  ## run all tests with every case of the long sweeps (nightly and before a release)
	@HYPERPOD_ALL=1 HYPERPOD_REHEARSE=all $(MAKE) --no-print-directory test

# All tests in three processes that run in parallel, each with a separate jsii process. Three are optimal for two cores, because
# tests wait for Node.js, for other programs and for timeouts. The workers of pytest-xdist would each collect all tests.
FIRST := tests/apps tests/constructs tests/edits tests/graph tests/importing tests/lifecycle tests/matrix \
  tests/operations tests/preflight
SECOND := tests/cli tests/handlers tests/observability tests/ownership tests/rehearsal tests/report
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync)
PYTEST := $(BIN)/python -m pytest --durations 10 --durations-min 1
unit: .venv/installed-dev  ## run the quick tests
	@$(MAKE) --no-print-directory -j 3 $(SYNC) check-first check-second check-rest LANE='-m "not slow"'
check-first:
	@$(PYTEST) $(LANE) $(FIRST)
check-second:
	@$(PYTEST) $(LANE) $(SECOND)
check-rest:
	@$(PYTEST) $(LANE) $(FIRST:%=--ignore=%) $(SECOND:%=--ignore=%)

mutants: .venv/installed-dev  ## list mutants of changed modules that the quick tests do not detect; FILES=... for other modules, SAMPLE=60, SEED=2
	@$(BIN)/python tests/support/mutants.py $(FILES) $(SAMPLE:%=--sample %) $(SEED:%=--seed %)

lint: .venv/installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: .venv/installed-dev
	@$(BIN)/mypy

bootstrap: .venv/installed node_modules/installed  ## bootstrap the account and region of your credentials for CDK, once
	@$(WITH_NODE) npx cdk bootstrap -c config="$(CONFIG)"

diff: .venv/installed node_modules/installed  ## list the changes that a deployment of CONFIG would make (requires AWS credentials)
	@$(WITH_NODE) npx cdk diff -c config="$(CONFIG)"

deploy: .venv/installed node_modules/installed  ## deploy CONFIG (requires AWS credentials; incurs costs)
	@$(WITH_NODE) npx cdk deploy --all -c config="$(CONFIG)"

destroy: .venv/installed node_modules/installed  ## delete the stacks of CONFIG
	@$(WITH_NODE) npx cdk destroy --all -c config="$(CONFIG)"

bench: .venv/installed-dev  ## run the benchmarks on this machine
	@for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

docs: .venv/installed-dev  ## build the documentation site in build/docs and check its links; VERSION=1.2.3 sets its version
	@$(BIN)/python docs/site/build.py build/docs $(VERSION)

lock: .venv/installed-dev  ## update the pinned requirements from pyproject.toml (requires uv on PATH)
	@uv pip compile pyproject.toml --extra test-runner --universal --python-version 3.11 --no-annotate --no-header \
	  --generate-hashes --quiet --upgrade --output-file requirements.txt
	@uv pip compile pyproject.toml --extra test-runner --extra dev --universal --python-version 3.11 --no-annotate --no-header \
	  --generate-hashes --quiet --upgrade --constraint requirements.txt --output-file requirements-dev.txt

clean:  ## remove the output of the other commands
	@rm -rf .venv node_modules cdk.out dist build

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is required: make PYTHON=/path/to/python3.11")'
	@$(PYTHON) -m venv .venv

# --require-hashes installs exactly the locked packages; compiling them once reduces each run by two seconds
.venv/installed: .venv/bin/python requirements.txt pyproject.toml
	@echo "installing the pinned requirements into .venv (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --no-compile -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q -j 0 .venv/lib hyperpod_constructs k8s_charts
	@touch $@

.venv/installed-dev: .venv/installed requirements-dev.txt
	@echo "installing the development tools into .venv (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --no-compile -r requirements-dev.txt
	@$(BIN)/python -m compileall -q -j 0 .venv/lib
	@touch $@

node_modules/installed: package-lock.json .venv/installed
	@$(WITH_NODE) npm ci --silent --ignore-scripts
	@touch $@
