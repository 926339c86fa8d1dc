# Everything a newcomer needs is `make demo` and `make test`; they need Python 3.11+, make and git.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
UV_VERSION := 0.13.9
TOOLS := .tools
UV ?= $(TOOLS)/bin/uv
SYNCED := .venv/.synced
RUN := .venv/bin
# $(call yes,$(NAME)): empty where NAME=0, NAME=no and the like were given.
yes = $(filter-out 0 n N no No NO false False FALSE off Off OFF,$(1))

# Where HOME can't be written to, the caches of uv, Go and the control plane are kept in the clone.
NO_CACHE := $(shell d="$${XDG_CACHE_HOME:-$$(echo ~)/.cache}"; \
	while [ ! -e "$$d" ]; do d="$$(dirname "$$d")"; done; [ -w "$$d" ] || echo yes)
ifeq ($(NO_CACHE),yes)
export XDG_CACHE_HOME := $(CURDIR)/.cache
export GOPATH := $(CURDIR)/.cache/go
endif

.PHONY: help
help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(TOOLS)/bin/uv:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(f"Python 3.11 or newer is needed, {sys.executable} is {v.major}.{v.minor}. Try: make PYTHON=python3.12 ...") if v < (3, 11) else None'
	@echo "==> getting uv $(UV_VERSION) into $(TOOLS)/"
	@$(PYTHON) -m venv $(TOOLS) || { echo "make: $(PYTHON) -m venv failed; on Debian and Ubuntu: apt install python3-venv" >&2; rm -rf $(TOOLS); exit 1; }
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(SYNCED): pyproject.toml uv.lock | $(UV)
	@echo "==> installing the locked dependencies into .venv/"
	@$(UV) sync --locked --quiet --python "$$($(PYTHON) -c 'import sys; print(sys.executable)')"
	@touch $@

.PHONY: demo
demo: $(SYNCED) ## Show the whole job: real API server, simulated cloud, three copies (KEEP=1 leaves it running)
	@PYTHONPATH=tests exec $(RUN)/python deploy/demo/demo.py

.PHONY: test
test: lint unit simulator e2e ## Lint, types, unit, simulator and end-to-end tests

.PHONY: unit
unit: controlplane ## Unit tests (those of the chart render it with helm), and some hundred schedules of the simulation
	$(RUN)/python -m pytest -n auto tests/unit tests/simulation

.PHONY: simulator
simulator: $(SYNCED) ## Tests of the cloud's simulator, and of our traffic against its kept logs
	$(RUN)/python -m pytest -n auto tests/simulator tests/golden

.PHONY: golden
golden: $(SYNCED) ## Keep the traffic as it is now: writes tests/golden/*.txt and the lists in docs/simulator.md
	@PYTHONPATH=tests $(RUN)/python -m golden
	@PYTHONPATH=tests $(RUN)/python -m simulator.reference

.PHONY: e2e
e2e: controlplane ## End-to-end tests on a real control plane
	$(RUN)/python -m pytest tests/e2e tests/chaos

.PHONY: chaos
chaos: controlplane ## Kill the operator at every named point: make chaos SECONDS=1200 SEED=1 (BREAK=... breaks the protocol)
	@PYTHONPATH=tests $(RUN)/python -m chaos --seconds $(or $(SECONDS),300) $(if $(SEED),--seed $(SEED)) $(if $(BREAK),--break $(BREAK))

.PHONY: simulate
simulate: $(SYNCED) ## Run schedules of the simulation: make simulate SEEDS=1000 (REPLAY=seed prints one, BREAK=... breaks the operator)
	@PYTHONPATH=tests $(RUN)/python -m simulation $(if $(REPLAY),--replay $(REPLAY),--seeds $(or $(SEEDS),1000)) $(if $(BREAK),--break $(BREAK))

.PHONY: bench
bench: controlplane ## Measure: build/bench/*.jsonl (about 45 min; QUICK=1 under 3 min; SCENARIOS="bursts waiting")
	@PYTHONPATH=tests $(RUN)/python -m bench $(if $(call yes,$(QUICK)),--quick) $(SCENARIOS)

.PHONY: chart
chart: $(SYNCED) ## Draw docs/performance.svg from build/bench/
	@# isolated: .venv/ stays what the tests are locked to
	@PYTHONPATH=tests $(UV) run --locked --quiet --isolated --python $(RUN)/python --group bench \
		python -m bench.chart --from build/bench --to docs/performance.svg

.PHONY: controlplane
controlplane: $(SYNCED) ## Get the control plane's programs into the cache (the first time up to 10 minutes)
	@PYTHONPATH=tests $(RUN)/python -m controlplane binaries --all

.PHONY: setup
setup: $(SYNCED) ## Install uv and the locked dependencies into this clone

.PHONY: lint
lint: $(SYNCED) ## Lint, format check, types and layers
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy operator/imagecopy operator/ims_simulator tests deploy/demo deploy/image deploy/release
	$(RUN)/lint-imports
	$(RUN)/hadolint Dockerfile
	$(RUN)/check-jsonschema --builtin-schema vendor.github-workflows $(wildcard .github/workflows/*.yaml)
	$(RUN)/check-jsonschema --builtin-schema vendor.renovate .github/renovate.json

.PHONY: image
image: ## Build the container image with docker, podman or buildah (IMAGE=name:tag, FLAGS="options of the builder")
	@IMAGE="$(IMAGE)" BUILDER="$(BUILDER)" deploy/image/build.sh $(FLAGS)

.PHONY: version
version: $(SYNCED) ## Set the version everywhere: make version VERSION=1.2.3
	@$(RUN)/python deploy/release/version.py $(VERSION)

.PHONY: format
format: $(SYNCED) ## Format and fix what can be fixed
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .

.PHONY: crds
crds: $(SYNCED) ## Generate crds/ from the pydantic models
	$(RUN)/imagecopy crds --output crds

.PHONY: argocd
argocd: $(SYNCED) ## Generate the patch of argocd-cm and the objects that its health checks are tested on
	@PYTHONPATH=tests $(RUN)/python -m gitops

.PHONY: manifests
manifests: controlplane ## Generate what follows from the chart: its CRDs and README, deploy/kustomize, deploy/install.yaml
	@PYTHONPATH=tests $(RUN)/python -m rendering

.PHONY: lock
lock: | $(UV) ## Update uv.lock after a change of pyproject.toml
	$(UV) lock

.PHONY: clean
clean: ## Remove what was installed and built in this clone (not the cache of control-plane binaries)
	rm -rf .venv $(TOOLS) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
