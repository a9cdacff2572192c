# Everything a newcomer needs: `make demo`, `make test`. Both make their own .venv and install
# locked dependencies. CI=true (or INSTALL=plain) installs the package as users get it; otherwise
# the install is strict-editable, so that edits are live and only the mapped package is visible.

ifeq ($(OS),Windows_NT)
  PYTHON ?= python
  BIN := .venv/Scripts
else
  PYTHON ?= python3
  BIN := .venv/bin
endif

ifeq ($(CI),true)
  INSTALL ?= plain
else
  INSTALL ?= editable
endif

# Sources that a plain install copies; adding a file must refresh an editable install too.
SOURCES := $(shell find core signals model export firmware_sim -type f ! -name '*.pyc' 2>/dev/null)
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-input
UV ?= uv

.PHONY: help demo test test-fast lint bench docs lock dev clean

help:
	@echo "make demo       the whole chain on defaults, results in crumple-demo/ (CRASH=PATH adds a real recording)"
	@echo "make test       every test"
	@echo "make test-fast  without the slow ones"
	@echo "make lint       ruff, mypy --strict, import-linter"
	@echo "make bench      measured speed, with peers in the same run"
	@echo "make lock       recompile requirements/*.txt (needs uv)"

.venv/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "crumple needs Python 3.10 or later; set PYTHON=/path/to/python3" >&2; exit 2; }
	@$(PYTHON) -m venv .venv || \
	  { echo "could not create .venv; on Debian or Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@touch $@

.venv/.run-deps: .venv/.created requirements/run.txt requirements/cc.txt
	@echo "installing locked dependencies (run) ..." >&2
	@$(PIP) --require-hashes -r requirements/run.txt
	@command -v cc >/dev/null 2>&1 || { \
	  echo "no system C compiler found: installing the one in requirements/cc.txt ..." >&2; \
	  $(PIP) --require-hashes -r requirements/cc.txt; }
	@touch $@

.venv/.dev-deps: .venv/.run-deps requirements/dev.txt
	@echo "installing locked dependencies (dev) ..." >&2
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

# The build backend is itself locked (setuptools, in run.txt), hence --no-build-isolation.
.venv/.installed-plain: .venv/.run-deps pyproject.toml $(SOURCES)
	@rm -rf build .venv/.installed-editable
	@$(PIP) --no-build-isolation --no-deps --force-reinstall .
	@rm -rf build
	@touch $@

.venv/.installed-editable: .venv/.run-deps pyproject.toml $(SOURCES)
	@rm -rf build .venv/.installed-plain
	@$(PIP) --no-build-isolation --no-deps --force-reinstall --config-settings editable_mode=strict -e .
	@touch $@

demo: .venv/.installed-$(INSTALL)
	@$(BIN)/crumple demo --out crumple-demo $(if $(CRASH),--crash "$(CRASH)")

# Files in their own order: by default those with the most tests come first, so that a file of one long test is left for last.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

test: .venv/.dev-deps .venv/.installed-$(INSTALL)
	@$(PYTEST)

test-fast: .venv/.dev-deps .venv/.installed-$(INSTALL)
	@$(PYTEST) -m "not slow"

lint: .venv/.dev-deps .venv/.installed-$(INSTALL)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

docs: .venv/.dev-deps .venv/.installed-$(INSTALL)
	@$(BIN)/mkdocs build --strict --quiet

bench: .venv/.dev-deps .venv/.installed-$(INSTALL)
	@$(BIN)/python tests/bench/run.py

dev: .venv/.dev-deps .venv/.installed-editable

LOCK := $(UV) pip compile pyproject.toml --universal --python-version 3.10 --fork-strategy requires-python \
  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet
lock:
	$(LOCK) --extra build --extra cc --extra dev --output-file requirements/all.txt
	$(LOCK) --extra build --constraints requirements/all.txt --output-file requirements/run.txt
	$(LOCK) --extra build --extra dev --constraints requirements/all.txt --output-file requirements/dev.txt
	echo ziglang | $(subst pyproject.toml,-,$(LOCK)) --constraints requirements/all.txt --output-file requirements/cc.txt
	rm requirements/all.txt

clean:
	rm -rf .venv build crumple-demo *.egg-info
