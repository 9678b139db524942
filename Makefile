# `make` lists the targets. `make demo` and `make test` set up all they need by themselves.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup demo test quick check lint types docs figures soak fuzz bench setup-training test-training train lock clean

PYTHON ?= $(shell scripts/find-python)
BIN := .venv/bin
export IMAGES ?=
# Hundreds of interpreters are started here, most of them by tests: what one has compiled serves the others.
unexport PYTHONDONTWRITEBYTECODE
DATA ?=
# What is installed knows where it lies and its Python: where the checkout was moved, or that Python is gone, it is installed anew.
STALE := $(shell for each in .venv*; do if [ -e $$each/.ready ] && ! { [ -x $$each/bin/python ] && \
  grep -qF "$(CURDIR)/$$each" $$each/pyvenv.cfg; }; then rm -rf $$each; fi; done)

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: .venv/.ready .venv-sam/.ready ## install the command, the local AWS and the SAM CLI (no root needed)

.venv/.ready: requirements/app.txt pyproject.toml
	@scripts/make-environment .venv requirements/app.txt "$(PYTHON)" "the vehiclevision command and the local AWS"
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv-sam/.ready: requirements/sam.txt
	@scripts/make-environment .venv-sam requirements/sam.txt "$(PYTHON)" "the AWS SAM CLI"
	@touch $@

.venv/.test-ready: .venv/.ready requirements/test.txt
	@scripts/make-environment .venv requirements/test.txt "$(PYTHON)" "the test tools"
	@touch $@

.venv-checkov/.ready: requirements/checkov.txt
	@scripts/make-environment .venv-checkov requirements/checkov.txt "$(PYTHON)" "the template scanner"
	@touch $@

.venv-sagemaker/.ready: requirements/sagemaker.txt
	@scripts/make-environment .venv-sagemaker requirements/sagemaker.txt "$(PYTHON)" "the sagemaker SDK (1 GB, for comparison)"
	@touch $@

.venv-bench/.ready: requirements/bench.txt
	@scripts/make-environment .venv-bench requirements/bench.txt "$(PYTHON)" "LitServe, BentoML and FastAPI (for comparison)"
	@touch $@

.venv-training/.ready: requirements/training.txt
	@scripts/make-environment .venv-training requirements/training.txt "$(PYTHON)" "PyTorch and what training needs (some GB)"
	@touch $@

demo: setup ## classify sample pictures end to end on this machine; your own: make demo IMAGES=~/photos
	@if [ -e "$$IMAGES" ]; then $(BIN)/vehiclevision demo "$$IMAGES"; else $(BIN)/vehiclevision demo $$IMAGES; fi

# Coverage of functions/ is measured where it is tested: everywhere it would double the time of all else. Then the rest, three at a
# time on two cores, because half of the time goes into waiting for a local AWS; and which states and catches of the workflows
# no test went through, and which grants of the roles no test used.
TAKEN := $(CURDIR)/.cache/taken
SIDE_BY_SIDE := --dist loadfile --no-loadscope-reorder
OF_FUNCTIONS := $(wildcard tests/unit/test_*.py) tests/contract tests/unit/reconciling
test: setup .venv/.test-ready .venv-checkov/.ready ## run the tests: unit, contract, workflow, browser, infra, docs
	@rm -rf "$(TAKEN)"
	@$(BIN)/python -m pytest -n 2 $(SIDE_BY_SIDE) --cov --cov-report=term:skip-covered $(OF_FUNCTIONS)
	@mkdir -p "$(TAKEN)"
	@VEHICLEVISION_TAKEN="$(TAKEN)" VEHICLEVISION_CALLS="$(TAKEN)" $(BIN)/python -m pytest -n 3 $(SIDE_BY_SIDE) $(OF_FUNCTIONS:%=--ignore=%)
	@$(BIN)/python -m tests.workflow.taken "$(TAKEN)"
	@$(BIN)/python -m tests.workflow.may "$(TAKEN)"

# What runs in Lambda, the command, the requests to AWS, the documents. The other tests start servers, do statistics, draw pages, or
# go through training with four vehicles.
NOT_QUICK := %_four_vehicles.py %/test_evaluate.py %/test_evaluate_against.py %/test_report.py
QUICK := $(filter-out $(NOT_QUICK),$(wildcard tests/unit/test_*.py tests/unit/cli/test_*.py)) tests/contract tests/docs/test_documents.py
quick: .venv/.test-ready lint ## under a minute: lint, and the tests of functions, command, requests to AWS and documents
	@$(BIN)/python -m pytest -q -n 3 $(SIDE_BY_SIDE) $(QUICK)

lint: .venv/.test-ready ## ruff: style and security rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/.test-ready ## mypy --strict
	@$(BIN)/mypy

check: lint types test ## lint, types and tests: what must pass before a commit

docs: .venv/.test-ready ## build the documentation: build/docs/index.html
	@$(BIN)/sphinx-build -W --keep-going -q -c docs/site . build/docs
	@echo "build/docs/index.html"

figures: .venv/.test-ready ## write the model's own figures into the README
	@$(BIN)/python -m docs.site.figures

fuzz: setup .venv/.test-ready ## attack all that reads bytes from outside, guided by coverage: make fuzz MINUTES=5
	@$(BIN)/python -m tests.fuzz $(or $(MINUTES),5)

soak: setup .venv/.test-ready ## the slow proof: bursts, kills, hostile files, long outages
	@rm -rf "$(TAKEN)-soak" && mkdir -p "$(TAKEN)-soak"
	@VEHICLEVISION_CALLS="$(TAKEN)-soak" $(BIN)/python -m pytest -m soak --timeout 1800
	@$(BIN)/python -m tests.workflow.may "$(TAKEN)-soak" soak

bench: setup .venv/.test-ready .venv-sagemaker/.ready .venv-bench/.ready ## measure ours beside the alternative, in one run
	@$(BIN)/python -m bench.workflow
	@$(BIN)/python -m bench.cold_start
	@$(BIN)/python -m bench.serving
	@$(BIN)/python -m bench.drift

setup-training: setup .venv-training/.ready ## install PyTorch and what training needs (some GB)

.venv-training/.test-ready: .venv-training/.ready requirements/test.txt
	@scripts/make-environment .venv-training requirements/test.txt "$(PYTHON)" "the test tools beside PyTorch"
	@touch $@

test-training: setup-training .venv/.test-ready .venv-training/.test-ready ## run the tests that need PyTorch: training, SageMaker's jobs, retraining
	@.venv-training/bin/python -m pytest -n 2 $(SIDE_BY_SIDE) tests/unit/training
	@$(BIN)/python -m pytest -m soak tests/workflow/test_sagemaker_path.py tests/workflow/test_retraining_trained.py --timeout 1800

train: setup-training ## train the model anew: make train DATA=folder (a folder per class, or CIFAR-100's binary archive)
	@$(BIN)/vehiclevision train --data "$(DATA)" --out .local/training

lock: ## compile the lock files anew (needs uv)
	@scripts/compile-locks

clean: ## stop the local AWS and delete what was built
	@if [ -x $(BIN)/vehiclevision ]; then $(BIN)/vehiclevision down; fi
	@rm -rf .venv .venv-sam .venv-checkov .venv-sagemaker .venv-bench .venv-training .aws-sam monitoring/.aws-sam retraining/.aws-sam .local .cache build docs/reference
