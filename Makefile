# `make help` lists the targets. Each works alone on a fresh clone.
PRESET  ?= quick
SEEDS   ?= 2
DATA    ?=
ROWS    ?=
JOBS    ?=
REPLICAS ?=
COMPILE ?=
KEEP    ?=
IMPORT  ?=
RUNS    ?= runs
PYTHON  ?= python3

VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup reproduce-table report reproduce-ablations reproduce-invertible reproduce-toy benchmark test lint format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-21s %s\n", $$1, $$2}'
	@echo "  variables: PRESET=quick|short|paper DATA=mnist|mnist_static|digits SEEDS=n ROWS=vae,hvi,... JOBS=n REPLICAS=n COMPILE=1 KEEP=1 RUNS=folder IMPORT=1"

reproduce-table: $(READY) ## train and score what is missing, write reports/<preset>/nll_table.*
	@$(BIN)/python -m reproduce --preset $(PRESET) --seeds $(SEEDS) --runs $(RUNS) \
	  $(if $(DATA),--data $(DATA)) $(if $(IMPORT),--allow-import) $(if $(ROWS),--rows $(ROWS)) $(if $(JOBS),--jobs $(JOBS)) \
	  $(if $(REPLICAS),--replicas $(REPLICAS)) $(if $(COMPILE),--compile) $(if $(KEEP),--keep)

report: $(READY) ## PRESET=short: table, paired differences, curves from reports/results/ alone
	@$(BIN)/python -m reproduce.report $(if $(filter-out file default,$(origin PRESET)),--preset $(PRESET)) $(if $(DATA),--data $(DATA))

reproduce-ablations: $(READY) ## PRESET=quick|full: one choice at a time, on the validation set, write reports/ablations.*
	@$(BIN)/python -m reproduce.ablations --preset $(PRESET) --runs $(RUNS) $(if $(DATA),--data $(DATA)) \
	  $(if $(filter-out file default,$(origin SEEDS)),--seeds $(SEEDS)) $(if $(JOBS),--jobs $(JOBS))

reproduce-invertible: $(READY) ## PRESET=quick|full: AVO with invertible steps, write reports/invertible/
	@$(BIN)/python -m reproduce.invertible --preset $(PRESET) --runs $(RUNS) \
	  $(if $(filter-out file default,$(origin SEEDS)),--seeds $(SEEDS)) $(if $(JOBS),--jobs $(JOBS))

reproduce-toy: $(READY) ## PRESET=quick|full: HVI and IAF on toy energies, write reports/toy/
	@$(BIN)/python -m reproduce.toys --preset $(PRESET) --runs $(RUNS) \
	  $(if $(filter-out file default,$(origin SEEDS)),--seeds $(SEEDS)) $(if $(JOBS),--jobs $(JOBS))

benchmark: $(READY) ## this package against a bare loop and pythae, write reports/benchmark.*
	@$(BIN)/python -m reproduce.benchmark

test: $(READY) ## run the tests
	@$(BIN)/python -m pytest

lint: $(READY) ## check style and formatting
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

format: $(READY) ## format the code
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

setup: $(READY) ## make .venv with the pinned packages

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' || \
	  { echo "annealed needs Python 3.10 to 3.13; name one with PYTHON=..."; exit 2; }
	@echo "installing the pinned packages into $(VENV) (about 6 GB with torch's GPU libraries)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -c "import annealed.fit, reproduce.__main__"
	@touch $@

clean: ## remove .venv and caches; runs/ and reports/ stay
	rm -rf $(VENV) .pytest_cache .ruff_cache build dist
