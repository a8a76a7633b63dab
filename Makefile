# `make` says what there is. Everything lives in $(VENV), which is made on first need and reused afterwards; it is
# installed again only when pyproject.toml or constraints.txt change.

VENV ?= .venv
PYTHON ?= python3
ARGS ?=

PIP := $(VENV)/bin/python -m pip
UV := $(VENV)/bin/uv

# Images of containers often set it. Without compiled files each process compiles all of PyTorch's and diffusers' source
# anew when it starts.
unexport PYTHONDONTWRITEBYTECODE

# The idea is any text: quotes, dollars and backticks included. make must not expand it and no shell may parse it, so
# its raw value travels in the environment and recipes say "$$IDEA".
override IDEA := $(value IDEA)
export IDEA

# uv does not read pip's settings: where pip is told of a folder of wheels (a CPU build of torch, a mirror), tell uv too.
INSTALL = links="$${UV_FIND_LINKS:-$$($(PIP) config get global.find-links 2>/dev/null | xargs | tr ' ' ',')}"; \
	if [ -n "$$links" ]; then export UV_FIND_LINKS="$$links"; fi; \
	$(UV) pip install --quiet --python $(VENV)/bin/python --constraint constraints.txt

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book test serve lint format bench train-pocket

help:  ## Say what there is.
	@sed -n 's/^\([a-z-]*\):.*## /make \1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20

book: | idea $(VENV)/.installed  ## Turn IDEA="…" into a book under out/; ARGS="--pages 6 --seed 7" are passed on.
	@$(VENV)/bin/fableverse book $(ARGS) -- "$$IDEA"

# In the order of folders, since those with servers and browsers, which take longest, come first; pytest-xdist would
# begin with the files that have most tests and end with long waits for a few.
test: $(VENV)/.installed-dev  ## Run everything in tests/, a process a core and one, as some wait; ARGS="-k words" are passed to pytest.
	OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest --dist loadfile --no-loadscope-reorder \
		--numprocesses $$(( $$($(VENV)/bin/python -c 'import os; print(os.cpu_count())') + 1 )) $(ARGS)

serve: | $(VENV)/.installed  ## Answer requests on http://127.0.0.1:8000; ARGS="--port 8080 --data DIR" are passed on.
	@$(VENV)/bin/fableverse serve $(ARGS)

lint: $(VENV)/.installed-dev  ## Check style and types, change nothing.
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/pyright --pythonpath $(VENV)/bin/python

format: $(VENV)/.installed-dev  ## Format the code and sort its imports.
	$(VENV)/bin/ruff check --fix-only --quiet .
	$(VENV)/bin/ruff format .

bench: $(VENV)/.installed-dev  ## Measure a book, concepts and pages beside a plain FluxPipeline, recurring heroes, what profiles lose, methods compared.
	$(VENV)/bin/python -m benchmarks.bench_book $(ARGS)
	$(VENV)/bin/python -m benchmarks.bench_modulation
	$(VENV)/bin/python -m benchmarks.bench_pages
	$(VENV)/bin/python -m benchmarks.bench_recurrence
	$(VENV)/bin/python -m benchmarks.bench_profiles
	$(VENV)/bin/fableverse bench concepts --quick

train-pocket: $(VENV)/.installed-dev  ## Train the pocket model, going on from its last checkpoint; ARGS="--flow-minutes 120".
	$(VENV)/bin/python -m pocket.training $(ARGS)

.PHONY: idea
idea:
	@if [ -z "$$IDEA" ]; then \
		echo 'make book needs an idea: make book IDEA="a cat who keeps a lighthouse"' >&2; exit 2; \
	fi

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 …")'
	$(PYTHON) -m venv $(VENV)

$(UV): | $(VENV)/bin/python
	$(PIP) install --quiet uv

$(VENV)/.installed: pyproject.toml constraints.txt | $(UV)
	@echo "Installing the packages into $(VENV) …"
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(UV)
	@echo "Installing the packages and the developer's tools into $(VENV) …"
	@$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.installed
