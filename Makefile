# Everything runs in .venv, made on first use from the lock files. Needed on the machine: Python 3.11 or newer, and make.
#
#   make demo [ARGS=--once]    a configuration is imported, its rules run on live data, it is exported again
#   make serve [ARGS="..."]    the server; ARGS go to `plutino serve`
#   make test                  everything that CI runs
#   make check                 the fast part: lint, types, imports, unit tests
#   make bench [ARGS="..."]    figures of speed and memory, each next to a limit measured in the same run
#   make lock                  resolve the dependencies again and write the lock files
#   make clean                 remove everything that the targets above have made

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

WITH_SERVERS := tests/e2e tests/corpus

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo serve test check bench lock programs clean

help:
	@sed -n 's/^#   //p' Makefile

demo: $(VENV)/.installed
	@$(BIN)/plutino demo $(ARGS)

serve: $(VENV)/.installed
	@$(BIN)/plutino serve $(ARGS)

bench: $(VENV)/.installed-dev
	@$(BIN)/python bench/run.py $(ARGS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/unit

test: $(VENV)/.installed-dev programs
	$(BIN)/ruff check .
	$(BIN)/mypy
	@# In the background what needs no Ctrl-C (a shell ignores it there), with coverage; servers are out of its sight anyway.
	@mkdir -p build
	@$(BIN)/pytest -q --cov --cov-report=term $(foreach it,$(WITH_SERVERS),--ignore=$(it)) > build/alone.log 2>&1 & alone=$$!; \
	  $(BIN)/pytest -q -n 2 --dist loadfile $(WITH_SERVERS); served=$$?; \
	  wait $$alone; alone=$$?; cat build/alone.log; exit $$((alone + served))

programs:
	@sh scripts/ensure mosquitto mosquitto "an MQTT broker"
	@sh scripts/ensure redis-server redis-server "a Redis server"
	@sh scripts/ensure openssl openssl "openssl, which an example in docs/transfer.md calls"

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed, '$(PYTHON)' is not; name one with: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "'$(PYTHON) -m venv' failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }

# The package itself is installed without build isolation: its build backend comes from the lock file too.
$(VENV)/.installed: $(VENV)/pyvenv.cfg requirements.lock pyproject.toml
	@echo "installing Plutino into $(VENV)"
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	@echo "installing the tools for tests into $(VENV)"
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@touch $@

# One resolution for all supported versions of Python and all platforms, with hashes and without the address of any index.
LOCK = build/lock/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet --upgrade \
       --custom-compile-command "make lock" pyproject.toml

lock: $(VENV)/pyvenv.cfg
	@$(BIN)/python -m venv build/lock
	@build/lock/bin/python -m pip --disable-pip-version-check --quiet install uv
	$(LOCK) --all-extras --group build --output-file requirements.lock
	$(LOCK) --all-extras --group dev --constraints requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf $(VENV) build dist demo-data perf-data .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
