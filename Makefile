# `make help` lists the targets. Each works alone on a fresh clone.
PRESET  ?= quick
SEEDS   ?= 2
DATA    ?=
ROWS    ?=
JOBS    ?=
DEVICES ?=
ENGINE  ?=
GPUS    ?=
THREADS ?=
REPLICAS ?=
COMPILE ?=
KEEP    ?=
MISSING ?=
IMPORT  ?=
CELL    ?=
FID_WEIGHTS ?=
SET     ?=
NEW_LIMIT ?=
RUNS    ?= runs
PYTHON  ?= python3

PAGES   := toy noise warmup collapse ablations invertible corners nested successors estimators

VENV    := .venv
BIN     := $(VENV)/bin
READY   := $(VENV)/.ready
CLUSTER := $(VENV)/.cluster
RAY     := $(if $(filter ray,$(ENGINE)),$(CLUSTER))
# $(call text,NAME): a variable's value as one word of the shell, whatever it holds
text    = '$(subst ','\'',$(value $(1)))'
# $(call option,--name,NAME): an option with it, or nothing where it is empty
option  = $(if $(value $(2)),$(1) $(call text,$(2)))
# $(call flag,--name,NAME): an option alone, or nothing where it is empty or 0
flag    = $(if $(filter-out 0,$(value $(2))),$(1))
# $(call each,NAME): each of its words as one of the shell
each    = $(foreach word,$(value $(1)),'$(subst ','\'',$(word))')
given   = $(filter-out file default,$(origin $(1)))
WHERE   = $(call option,--jobs,JOBS) $(call option,--devices,DEVICES) $(call option,--engine,ENGINE) $(call option,--gpus,GPUS) $(call option,--threads,THREADS)

.DEFAULT_GOAL := help
.PHONY: help setup reproduce reproduce-table reproduce-cell report page dashboard sync checklist verify reproduce-pictures $(PAGES:%=reproduce-%) reproduce-celeba benchmark test test-cluster lint format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-21s %s\n", $$1, $$2}'
	@echo "  variables: PRESET=quick|short|paper (pages: quick|full) DATA=mnist|mnist_static|digits SEEDS=n ROWS=vae,hvi,... JOBS=n DEVICES=0,1 ENGINE=local|ray GPUS=0.5 THREADS=n REPLICAS=n COMPILE=1 KEEP=1 MISSING=1 RUNS=folder IMPORT=1 CELL=name FID_WEIGHTS=file SET=key=value NEW_LIMIT=1"

reproduce: $(READY) ## PRESET=quick|full: every page but that of CelebA, and the table (short, 3 seeds under full)
	@$(if $(filter-out quick full,$(PRESET)),echo "PRESET is $(PRESET); accepted: quick or full"; exit 2)
	@status=0; $(MAKE) reproduce-table $(if $(filter full,$(PRESET)),PRESET=short KEEP=1 $(if $(call given,SEEDS),,SEEDS=3),KEEP=) || status=$$?; \
	for page in $(PAGES); do $(MAKE) reproduce-$$page PRESET=$(PRESET) || status=$$?; done; \
	$(if $(filter full,$(PRESET)),$(MAKE) page || status=$$?;) exit $$status

reproduce-table: $(READY) $(RAY) ## train and score what is missing, write reports/<preset>/nll_table.*
	@$(BIN)/python -m reproduce --preset $(call text,PRESET) --seeds $(call text,SEEDS) --runs $(call text,RUNS) \
	  $(call option,--data,DATA) $(call flag,--allow-import,IMPORT) $(call option,--rows,ROWS) $(WHERE) \
	  $(call option,--replicas,REPLICAS) $(call flag,--compile,COMPILE) $(if $(SET),--set $(call each,SET)) \
	  $(call flag,--new-limit,NEW_LIMIT) $(call flag,--keep,KEEP)

reproduce-cell: $(READY) ## CELL=short/mnist/vae/seed0: run a committed cell again, compare its NLL
	@$(if $(CELL),$(BIN)/python -m reproduce.checks.rerun $(call text,CELL) $(call each,SET) --runs $(call text,RUNS) $(call flag,--allow-import,IMPORT),\
	  echo "name a cell, as in CELL=short/mnist/vae/seed0"; exit 2)

report: $(READY) ## PRESET=short: table, pairs, figures from reports/results/ alone, README's table, page
	@$(BIN)/python -m reproduce.table.report $(if $(call given,PRESET),$(call option,--preset,PRESET)) $(call option,--data,DATA)
	@$(BIN)/python -m reproduce.site --if-any

page: $(READY) ## reports/index.html: all of reports/ in one file, to open in a browser
	@$(BIN)/python -m reproduce.site

checklist: $(READY) ## answer the NeurIPS and reproducibility checklists from what is on disk
	@$(BIN)/python -m reproduce.checklist

verify: $(READY) ## make all that reports/results/ gives again, and tell what differs from reports/
	@$(BIN)/python -m reproduce.checks.verify

# The lines without a recipe are for `make help`; the rule after them makes every such page.
reproduce-ablations: ## PRESET=quick|full: one choice at a time, on the validation set, write reports/ablations.md
reproduce-warmup: ## PRESET=quick|full: HVI against HVI-AVO over warm-up schedules, write reports/warmup.md

reproduce-pictures: $(READY) ## PRESET=short: what trained rows draw, write reports/<preset>/pictures/
	@$(BIN)/python -m reproduce.table.pictures $(call each,SET) --preset $(call text,PRESET) --runs $(call text,RUNS) \
	  $(call option,--data,DATA) $(call option,--rows,ROWS)

reproduce-invertible: ## PRESET=quick|full: AVO with invertible steps, write reports/invertible/
reproduce-nested: ## PRESET=quick|full: AVO and nested variational inference on a ring, write reports/nested/
reproduce-successors: ## PRESET=quick|full: AVO beside its successors, write reports/successors.md
reproduce-estimators: ## PRESET=quick|full: NLLs by AIS beside importance sampling, write reports/estimators/
reproduce-toy: ## PRESET=quick|full: HVI and IAF on toy energies, write reports/toy/
reproduce-noise: ## PRESET=quick|full: what a unimodal posterior does to the model, write reports/noise/
reproduce-collapse: ## PRESET=quick|full: collapsed latents, learned and exact, write reports/collapse/
reproduce-corners: ## PRESET=quick|full: where AVO fails or costs, write reports/corners/
reproduce-celeba: ## PRESET=quick|full: faces in bits per dimension, write reports/celeba/

$(PAGES:%=reproduce-%): OPTIONS = $(call flag,--missing,MISSING)
reproduce-ablations reproduce-warmup: OPTIONS += $(call option,--data,DATA)
reproduce-celeba: OPTIONS = $(call option,--rows,ROWS) $(call option,--fid-weights,FID_WEIGHTS) $(if $(SET),--set $(call each,SET)) $(call flag,--keep,KEEP)

$(PAGES:%=reproduce-%) reproduce-celeba: reproduce-%: $(READY) $(RAY)
	@$(BIN)/python -m reproduce.experiments.$(patsubst toy,toys,$*) --preset $(call text,PRESET) --runs $(call text,RUNS) $(OPTIONS) \
	  $(if $(call given,SEEDS),$(call option,--seeds,SEEDS)) $(WHERE)

dashboard: $(READY) ## W&B workspace and report from code; without a key reports/dashboard.json
	@$(BIN)/python -m reproduce.tracking.dashboard --runs $(call text,RUNS)

sync: $(READY) ## send W&B's offline runs under RUNS, each once
	@$(BIN)/python -m reproduce.tracking.sync --runs $(call text,RUNS)

benchmark: $(READY) ## this package against a bare loop and pythae, write reports/benchmark.*
	@$(BIN)/python -m reproduce.benchmark

test: $(READY) ## run the tests, a process a core
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

test-cluster: $(CLUSTER) ## install Ray and run the tests that need it
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/reproduce/scheduling/test_engines.py

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

$(CLUSTER): requirements-cluster.lock $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-cluster.lock
	@touch $@

clean: ## remove .venv and caches; runs/ and reports/ stay
	rm -rf $(VENV) .pytest_cache .ruff_cache build dist
