# make demo   a guarded API and a local issuer, with a tour of real requests (ONCE=1: tour, then end)
# make test   the whole test suite
# The rest is for contributors: make check, make versions, make requirements, make docs, make drills,
# make bench, make dist, make clean.

VENV ?= .venv
BIN := $(VENV)/bin
# The newest Python that is really there: a name on the PATH may be an empty promise.
PYTHON ?= $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# Tests that wait for a server leave a core to others.
export PYTEST_XDIST_AUTO_NUM_WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1)))

.PHONY: demo test check lint coverage format versions requirements docs drills bench dist clean

demo: $(VENV)/demo-installed
	$(BIN)/bearerguard demo $(if $(ONCE),--once)

# COVERAGE=1: also write down which lines and branches were run, for "make coverage".
# TOKEN_CACHE=0: as if no verified token were kept by default.
test: $(VENV)/dev-installed
	$(BIN)/$(if $(COVERAGE),coverage run,python) -m pytest -q -n auto $(if $(TOKEN_CACHE),--token-cache=$(TOKEN_CACHE))

check: lint
	$(BIN)/coverage erase
	$(MAKE) test COVERAGE=1
	$(MAKE) coverage

lint: $(VENV)/dev-installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

coverage: $(VENV)/dev-installed
	$(BIN)/coverage combine -q
	$(BIN)/coverage report

format: $(VENV)/dev-installed
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# The suite on every supported Python that this machine has, and the oldest dependencies once.
versions:
	.ci/versions

requirements: $(VENV)/dev-installed
	$(BIN)/python tests/requirements_report.py

# The site in build/docs, warnings as errors; its reference is written out of the code first.
docs: $(VENV)/docs-installed
	$(BIN)/python tests/docs/reference.py
	$(BIN)/zensical build --clean --strict

# bearerguard and other libraries side by side on bad days; writes docs/drills.md (ONLY="cold flood").
drills: $(VENV)/dev-installed
	$(BIN)/python -m benchmarks.drills --environments $(VENV)-drills $(if $(ONLY),--only $(ONLY))

# What guarding costs beside the bare signature and other libraries; writes docs/speed.md and its chart
# (ONLY="verification refusal" for some parts, to the terminal only; QUICK=1 for a smoke run).
bench: $(VENV)-bench/installed
	$(VENV)-bench/bin/python -m benchmarks.speed $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

# What would be released, in dist/: wheel, sdist and SBOM, built twice, checked, installed and tried.
dist: $(VENV)-release/installed
	.ci/dist $(VENV)-release/bin

clean:
	rm -rf $(VENV) $(VENV)-* .cache .coverage* .pytest_cache .mypy_cache .ruff_cache build dist

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "bearerguard needs Python 3.11 or later; none was found" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/demo-installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[demo]"
	@touch $@

$(VENV)/dev-installed: $(VENV)/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[all]" --group dev
	@touch $@

$(VENV)/docs-installed: $(VENV)/dev-installed
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@

$(VENV)-bench/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-bench
	$(VENV)-bench/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(VENV)-bench/bin/python -m pip install --quiet --editable ".[all]" --group bench
	@touch $@

$(VENV)-release/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)-release
	$(VENV)-release/bin/python -m pip install --quiet --upgrade "pip>=25.1"
	$(VENV)-release/bin/python -m pip install --quiet --group release
	@touch $@
