# The commands of the project. Set-up is skipped while its stamps are newer than what they came from.
PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PINNED := $(VENV)/.pinned
INSTALLED := $(VENV)/.installed

# ONCE=1, before or after `make demo`: check what the demo did, print one line, and end.
DEMO_FLAGS := $(if $(filter 1,$(ONCE)),--once)

.DELETE_ON_ERROR:
.PHONY: help setup demo test check docs local bench encoder refusals bursts searches scenarios chaos constraints clean

help: ## list these commands
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/' | expand -t 20

setup: $(INSTALLED) ## install what the commands below need
	$(BIN)/python -m compose.local setup

demo: setup ## the main job on 9,750 films, then the search page (ONCE=1: check and end)
	$(BIN)/python -m compose.demo $(DEMO_FLAGS)

test: setup ## every ring of tests, the fast ones first (ARGS=... goes to pytest)
	$(BIN)/python -m pytest $(ARGS)

check: $(INSTALLED) ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: $(INSTALLED) ## write the tables of README.md and docs/ anew from the code
	$(BIN)/python -m compose.docs

local: setup ## the local stack alone, until Ctrl-C
	$(BIN)/python -m compose.local up

constraints: ## resolve constraints.txt anew (needs uv; UPGRADE=1: to the newest releases)
	env -u PIP_FIND_LINKS $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 \
		--all-extras --group dev --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command 'make constraints' --output-file constraints.txt $(if $(UPGRADE),--upgrade)

bench: setup ## what the data path costs beside the encoder, side by side with other clients
	$(BIN)/python -m tests.bench $(ARGS)

encoder: setup ## how busy the real encoder is kept and with which queue, side by side with other clients (about half an hour)
	$(BIN)/python -m tests.bench.encoder $(ARGS)

refusals: setup ## what becomes of documents while some are refused, side by side with other clients
	$(BIN)/python -m tests.bench.refusals $(ARGS)

bursts: setup ## how many inferences change-data costs, with and without what spares them
	$(BIN)/python -m tests.bench.bursts $(ARGS)

searches: setup ## what the search service adds to a search, and what it does while inference is away
	$(BIN)/python -m tests.bench.search $(ARGS)

scenarios: $(INSTALLED) ## the scenario files of DIR in virtual time, against what they expect (ARGS=--help)
	$(BIN)/python -m tests.scenarios $(DIR) $(ARGS)

chaos: setup ## 20 seeds of 2 minutes of faults and a soak of 10, then a table (ARGS='--seeds 1 --seed N' repeats one)
	$(BIN)/python -m tests.chaos --seeds 20 --seconds 120 --soak 600 --jobs 2 $(ARGS)

clean: ## remove what set-up and runs have made, the environment included
	rm -rf $(VENV) .local build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find compose schemas search_api streamer tests -type d -name __pycache__ -prune -exec rm -rf {} +

$(PINNED): constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "python 3.11 or newer is needed, $(PYTHON) is older: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --require-hashes --requirement constraints.txt
	@touch $@

$(INSTALLED): $(PINNED) pyproject.toml
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
