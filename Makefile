# Verbs only; the work is done by the command line (`mlops --help`).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

usecase ?= flight_delay
pipeline ?= level1
env ?= dev
args ?=

# uv from the machine where there is one, else our own copy: the first thing `make` installs.
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
RUN := $(UV) run --frozen --no-sync

.PHONY: help setup setup-cli peers run score serve test coverage images demo-loop deploy-local undeploy-local cloud-plan cloud-up cloud-down test-cloud test-kind conformance lint audit leaks mutants wheel bench compile doctor clean

help: ## Show the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  \033[1m%-15s\033[0m %s\n", $$1, $$2}'
	@echo "  Variables: usecase=$(usecase) pipeline=$(pipeline) env=$(env) args='$(args)'"

.uv/bin/uv:
	@echo "uv is not on this machine: installing it into .uv/"
	python3 -m venv .uv
	.uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8'

setup: .venv/.complete ## Install everything into .venv

.venv/.complete: pyproject.toml localrun/pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	$(UV) sync --frozen --all-groups --no-group checks --no-group peers --compile-bytecode
	@touch $@

# What benchmarks/ measures this project against: beside the rest in .venv, until the next `make setup`.
peers: setup ## Install the peers of the benchmarks (tfmot, FLAML, fairlearn, SHAP)
	$(UV) sync --frozen --inexact --group peers --group bench --group edge

# What the verbs that only talk to other programs need: no TensorFlow, seconds instead of minutes.
setup-cli: $(filter .uv/bin/uv,$(UV)) ## Install only the command line into .venv
	$(UV) sync --frozen --no-default-groups

# Programs whose dependencies conflict with ours; only the tests use them.
.venv-checks/.complete: pyproject.toml uv.lock | $(filter .uv/bin/uv,$(UV))
	UV_PROJECT_ENVIRONMENT=.venv-checks $(UV) sync --frozen --only-group checks
	@touch $@

run: setup ## Train, evaluate and push a use case on this machine
	$(RUN) mlops run $(usecase) --pipeline $(pipeline) $(args)

score: setup ## Score a use case by the ML Test Score, each row from evidence; a page of it
	$(RUN) mlops score $(usecase) $(args)

serve: setup ## Answer prediction requests with the model in production
	$(RUN) mlops serve $(usecase) $(args)

compile: setup ## Compile the pipeline to a KFP file
	$(RUN) mlops compile $(usecase) --pipeline $(pipeline) $(args)

# Tests of one file run in one process, since they share what is expensive to make; args=-n0 runs all in one.
PYTEST := pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: setup .venv-checks/.complete ## Run all tests, a file more at once than there are processors (at most 4)
	$(RUN) $(PYTEST) $(args)

# Apart from `test`, since Python runs half as long again when it is measured.
coverage: setup .venv-checks/.complete ## Run all tests and measure which lines and branches they run: 85 % at least
	$(RUN) coverage erase
	$(RUN) coverage run -m $(PYTEST) $(args)
	$(RUN) coverage combine --quiet
	$(RUN) coverage report

conformance: setup ## Run every KFP construct on localrun, kfp.local and, given KFP_ENDPOINT, a cluster
	$(RUN) pytest tests/conformance -rs $(args)

images: setup ## Build the missing container images, and check their sizes
	$(RUN) mlops images build $(args)

deploy-local: setup ## Bring Kubeflow Pipelines and the model server up on this machine, in kind
	$(RUN) mlops cluster up $(args)

undeploy-local: setup ## Delete the local cluster and everything that it left
	$(RUN) mlops cluster down $(args)

cloud-plan: setup ## Show what cloud-up would change in an environment on Google Cloud; env=dev|staging|prod
	$(RUN) mlops cloud plan $(env) $(args)

cloud-up: setup ## Create or change an environment on Google Cloud (once before: mlops cloud bootstrap dev)
	$(RUN) mlops cloud up $(env) $(args)

cloud-down: setup ## Destroy an environment on Google Cloud
	$(RUN) mlops cloud down $(env) $(args)

test-cloud: setup ## Test Terraform's files, with Google's provider where it can be had
	MLOPS_TEST_TERRAFORM=1 $(RUN) pytest tests/infra/terraform -rs $(args)

test-kind: setup ## Run flight_delay and the conformance pipelines on the local cluster (after deploy-local)
	MLOPS_TEST_KIND=1 $(RUN) pytest tests/kind -v $(args)
	MLOPS_TEST_KIND=1 $(RUN) pytest tests/conformance/test_conformance.py -k cluster -n 4 -v $(args)

lint: setup ## Check style, types and the architecture
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports

audit: $(filter .uv/bin/uv,$(UV)) ## Look the locked packages up in a database of vulnerabilities (network)
	python3 .ci/audit.py $(UV) $(args)

leaks: ## Search the whole history for secrets (needs Go)
	go run github.com/zricethezav/gitleaks/v8@v8.30.1 git --no-banner --redact --config .github/gitleaks.toml .

mutants: setup .venv-checks/.complete ## Plant faults in the code of gates; every one must be found by a test
	$(RUN) python -m tests.mutation $(args)

# The runner is a package of its own that the product's wheel asks for: both, so that `pip install dist/*.whl` works.
# The SBOM has no serial number and no time, so that the same lock gives the same bytes.
wheel: $(filter .uv/bin/uv,$(UV)) ## Build both packages, and their bill of materials (CycloneDX), into dist/
	rm -rf dist
	$(UV) build --wheel --all-packages --out-dir dist
	$(UV) export --frozen --quiet --no-default-groups --preview-features sbom-export --format cyclonedx1.5 --output-file dist/sbom.json >/dev/null
	sed -i.stamped '/^  "serialNumber"/d; /^    "timestamp"/d' dist/sbom.json && rm dist/sbom.json.stamped

bench: setup ## Compare this project with TFX, and its runner with kfp.local; the server: python -m benchmarks.serving
	$(RUN) python -m benchmarks $(args)
	$(RUN) python -m benchmarks.scheduling

demo-loop: setup ## Replay 2013 in production: requests, late labels, drift, a training that starts by itself; a page of it
	$(RUN) python -m benchmarks.loop $(args)

doctor: setup ## Check this machine; print how to fix what is missing
	$(RUN) mlops doctor $(args)

clean: ## Remove the caches of the tools; the store (.mlops) and .venv stay
	rm -rf .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .measured
