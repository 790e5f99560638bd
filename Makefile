# The jobs of a user. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# Nothing comes from the environment unasked: DATA, RUN or PYTHON may be set there for other programs.
PYTHON := python3
# Variables that make Python run other modules, pip install elsewhere or not at all, and bash read a script first.
unexport PYTHONPATH PYTHONHOME PYTHONSAFEPATH PYTHONINSPECT BASH_ENV
unexport PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PIP_REQUIRE_VIRTUALENV PIP_DRY_RUN

# The launcher reads its options from the variables given to make, as they were written: every character, even `$`,
# reaches it unchanged. A variable that is not an option is an error of the launcher, so that no typo goes unnoticed.
GIVEN := $(filter-out PYTHON CHROMIUM,$(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name))))
$(foreach name,$(GIVEN) CHROMIUM,$(if $(value $(name)),$(eval override $(name) := $$(value $(name)))))
export $(GIVEN) CHROMIUM
OPTIONS = --make "$(GIVEN)"
# The value of a variable that was given, for recipes that read it themselves; they take no other variable.
given = $(if $(filter $(1),$(GIVEN)),$${$(1)})
takes = $(foreach name,$(filter-out $(1),$(GIVEN)),$(error Unknown variable of make $@: $(name); known: $(or $(1),none)))

override HOST := .venv/bin/python
override TEST_PROCESSES := -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: help doctor setup data images plan smoke bench aa report audit test test-all check clean

help: ## list the jobs and their variables
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo '  DEVICE=cpu|gpu  ENGINE=auto|docker|venv|slurm|slurm-apptainer  BLOCKS=n  BUDGET=30m  TIMEOUT=seconds  MEMORY=GiB  SHM=GiB  CPUS=0-3'
	@echo '  PROFILE=line|smoke|quick|steps-cpu|steps|steps-2021|scale|export|loaders-quick|loaders|cifar100-quick|cifar100|full|aa'
	@echo '  FRAMEWORKS=pytorch,tensorflow@2.16.2,tensorflow@2.21.0,jax or all'
	@echo '  WORKLOADS=train,infer,scale,load,fit,export,roof  FILTER=text  DATA=folder[,folder]  RUN=id of a run to resume, continue or report'
	@echo '  MODEL=model.onnx or my_models.py:build, INPUT_SHAPE=3,224,224: infer with your own model (docs/own-model.md)'
	@echo '  VARIANTS=all or eager,graph,xla,tensorflow/tuned …  LOADERS=all or torch,spdl,tfdata …'
	@echo '  GPU=index or UUID, with DEVICE=gpu  PARTITION=name NODES=n, with ENGINE=slurm or slurm-apptainer'
	@echo '  HOSTS=user@a,user@b: measure there over ssh (bench, smoke, aa)  PARALLEL_HOSTS=on: on all at the same time'
	@echo '  SLOWDOWN=1.05 (aa)  EXTRA_INDEX=optional package index with smaller CPU builds of torch'
	@echo 'Values that replace those of the profile, for the named workloads; several are separated by commas (a switch: on, off):'
	@$(PYTHON) -m runners.harness.variables

doctor: .venv/host ## say what this machine has, what it lacks, and what to do about it
	@$(HOST) -m launcher doctor $(OPTIONS)

setup: images ## set up everything: the host's packages, every framework's image or environment

images: .venv/host ## build every framework's image (or, without Docker, its virtual environment)
	@$(HOST) -m launcher images $(OPTIONS)

data: .venv/host ## prepare and validate the data: DATA=, or the synthetic default
	@$(HOST) -m launcher data $(OPTIONS)

plan: .venv/host ## print the cases, the replicates and an estimate, without running anything
	@$(HOST) -m launcher plan $(OPTIONS)

smoke: export override PROFILE = smoke
smoke: override GIVEN += PROFILE
smoke: bench ## run everything once with tiny cases, in minutes

bench: .venv/host ## measure, and leave results/<run>/report.html; sets up what is missing
	@$(HOST) -m launcher bench $(OPTIONS)

aa: .venv/host ## check this machine: one framework under two labels (SLOWDOWN=1.05 slows the second label)
	@$(HOST) -m launcher bench --aa $(OPTIONS)

report: .venv/host ## make the report of RUN= again (default: the newest run)
	@$(call takes,RUN)$(newest); $(HOST) -m aggregator report "$$run"

audit: .venv/host ## prove from the records of RUN= (default: the newest run) that it kept its order and its warm-up
	@$(call takes,RUN)$(newest); $(HOST) -m aggregator audit "$$run"

test: .venv/test ## run the tests that need no browser and no Docker, in minutes; FRAMEWORKS=pytorch: all tests of PyTorch
	@$(call takes,FRAMEWORKS)[ -z "$(call given,FRAMEWORKS)" ] && long=" or full" || long=""; \
	  $(HOST) -m pytest $(TEST_PROCESSES) --frameworks "$(call given,FRAMEWORKS)" -m "not (docker or browser or gpu or slurm$$long)"

test-all: .venv/test-all ## set up everything that tests use, and run every test: a quarter to half an hour
	@$(call takes,FRAMEWORKS)$(chromium)
	@$(HOST) -m launcher images --device cpu --engine venv --frameworks all || echo "Some tests cannot run without these environments; they are listed." >&2
	@! docker version >/dev/null 2>&1 || $(HOST) -m launcher images --device cpu --engine docker || echo "Tests of images that could not be built will fail." >&2
	@$(HOST) -m pytest $(TEST_PROCESSES) --frameworks "$(call given,FRAMEWORKS)"

check: .venv/check ## ruff and mypy
	@$(call takes)$(HOST) -m ruff format --check .
	@$(HOST) -m ruff check .
	@$(HOST) -m mypy

clean: .venv/host ## remove containers, processes and temporary files of ended runs; keep data, results and environments
	@$(call takes)$(HOST) -m launcher clean

.venv/host: pyproject.toml
	@$(call venv)
	@echo "Installing the host's packages into .venv …"
	@$(HOST) -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/test: EXTRAS = test
.venv/test-all: EXTRAS = test,browser
.venv/check: EXTRAS = check
.venv/test .venv/test-all .venv/check: .venv/host
	@echo "Installing the packages for make $(@F) into .venv …"
	@$(HOST) -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]'
	@touch $@

define newest
run="$(call given,RUN)"; [ -e "$$run" ] || [ ! -e "results/$$run/run.json" ] || run="results/$$run"; \
[ -n "$$run" ] || run=$$({ ls -t results/*/run.json 2>/dev/null || true; } | head -1 | xargs -r -d '\n' dirname); \
[ -n "$$run" ] || { echo "There is no run under results/ yet: make bench" >&2; exit 2; }
endef

# The tests of report.html drive a real browser. If it cannot be installed without asking, they are listed as not run.
define chromium
[ -n "$${CHROMIUM:-}" ] || command -v chromium >/dev/null || { \
  as_root="sudo -n"; [ "$$(id -u)" != 0 ] || as_root=""; \
  echo "Installing Debian's chromium for the tests of the report …"; \
  $$as_root apt-get update -qq && $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
} || echo "No chromium: the tests of report.html in a browser are skipped; CHROMIUM=path names another browser." >&2
endef

# On Debian and Ubuntu, venv needs a separate package to install pip, which a fresh machine may lack.
define venv
command -v $(PYTHON) >/dev/null || { echo "No $(PYTHON) here. Install Python 3.11 or newer, or name another: make PYTHON=…" >&2; exit 3; }; \
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
  echo "Levelfield needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V). Name another: make PYTHON=python3.12" >&2; exit 3; }; \
$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
  package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
  as_root="sudo -n"; [ ! -t 0 ] || as_root=sudo; [ "$$(id -u)" != 0 ] || as_root=""; \
  echo "$(PYTHON) has no ensurepip; installing Debian's $$package …"; \
  { $$as_root apt-get update -qq && $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$package >/dev/null; } || { \
    echo "That did not work. Please run: sudo apt-get install $$package" >&2; exit 3; }; }; \
$(HOST) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
endef
