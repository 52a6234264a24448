# Every target does its own set-up: it makes $(VENV), installs what it needs there, builds the compiled core,
# and leaves a stamp, so that a second run starts at once. Nothing outside this folder is touched.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV ?= .venv
# The newest of these that is 3.11 or later and can make a virtual environment.
PYTHON ?= $(shell for name in python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { echo $$name; break; }; done)
# Arguments for pytest: make test ARGS='-k sessions -x'
ARGS ?=
# How large the logs of the benchmarks are (1: up to 10 million rows), and where the results go
BENCH_SCALE ?= 1
BENCH_JSON ?= benchmarks/results/run.json
BENCH_PAGE ?= docs/benchmarks.md
# Those on Spark last (one to three minutes), where Java is there; CI leaves them out
BENCH_SPARK ?= yes
# Spark wants an older pandas, and so an environment of its own
SPARK_VENV ?= $(VENV)-spark

# Versions before the one that is installed, beside it: an import of cxcore must do no harm there
OLD_DUCKDB := 1.4 1.5

PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet --quiet
NATIVE := setup.py $(shell find src/cxcore/_ext -name '*.pyx' -o -name '*.pxd' -o -name '*.hpp' -o -name '*.cpp' -o -name '*.map')
SOURCES := $(NATIVE) $(shell find src/cxcore -name '*.py' -o -name '*.pyi')
CPP := $(filter %.hpp %.cpp,$(NATIVE))

.PHONY: help demo test debug-test spark-test spark-bench package bench docs lint format clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## sessions, attribution and scores on real purchases, end to end
	@$(PY) -m cxcore demo

test: $(VENV)/.test ## all tests, on a release build of the compiled core
	@echo "==> tests"
	@$(PY) -m pytest $(ARGS)

# Not again: what asks texts, names and other libraries, and what DuckDB computes, which has no checks to switch on.
debug-test: $(VENV)/.test build/debug/.built ## tests of the kernels, on a build with bounds checks and asserts
	@echo "==> tests on the debug build"
	@export PYTHONPATH=$$(echo build/debug/lib.*); \
		$(PY) -c 'import cxcore; assert cxcore.build_info()["debug"], cxcore.__file__'; \
		$(PY) -m pytest -m "not slow" --hypothesis-profile few \
			$(patsubst %,--ignore tests/test_%.py,agreement by_user codebase demo docs duckdb duckdb_native engines errors interval_parts parts service spark_columns spark_functions spark_tables spill) $(ARGS)

spark-test: $(SPARK_VENV)/.test $(VENV)/.built ## the verbs on Spark, which needs Java 17 (about 500 MB of packages)
	@command -v java > /dev/null || { echo "Spark needs Java 17 or later (on Debian: openjdk-17-jre-headless)." >&2; exit 1; }
	@echo "==> tests on Spark"
	@SPARK_LOCAL_IP=127.0.0.1 PYTHONPATH=$(CURDIR)/src $(SPARK_VENV)/bin/python -m pytest -m spark tests/test_spark*.py $(ARGS)

# In an environment of its own, so `bench` calls it; benchmarks/README.md has what it costs
spark-bench: $(SPARK_VENV)/.test $(VENV)/.built ## sessions on Spark against its own window SQL (ARGS: numbers of events)
	@command -v java > /dev/null || { echo "Spark needs Java 17 or later (on Debian: openjdk-17-jre-headless)." >&2; exit 1; }
	@PYTHONPATH=$(CURDIR)/src $(SPARK_VENV)/bin/python benchmarks/spark.py $(ARGS)

package: $(VENV)/.installed ## the sdist, installed in an empty environment, passes the smallest test
	@echo "==> building the sdist, and installing from it in an empty environment"
	@rm -rf build/package && mkdir -p build/package
	@$(PY) setup.py --quiet sdist --dist-dir build/package > build/package/log.txt 2>&1 \
		|| { tail -40 build/package/log.txt; exit 1; }
	@$(PY) -m venv build/package/venv
	@build/package/venv/bin/python -m pip --disable-pip-version-check --quiet --quiet install build/package/*.tar.gz pytest
	@cp tests/test_minimal.py build/package/
	@cd build/package && venv/bin/python -m pytest -c /dev/null --rootdir . test_minimal.py

bench: $(VENV)/.bench ## benchmarks against rivals, answers asserted first (BENCH_SCALE=1)
	@echo "==> benchmarks at BENCH_SCALE=$(BENCH_SCALE)"
	@mkdir -p $(dir $(BENCH_JSON))
	@BENCH_SCALE=$(BENCH_SCALE) $(PY) -m pytest benchmarks -p no:randomly --benchmark-quiet --benchmark-json=$(BENCH_JSON) $(ARGS)
	@$(PY) benchmarks/report.py $(BENCH_JSON) --page $(BENCH_PAGE)
	@if [ "$(BENCH_SPARK)" = yes ] && command -v java > /dev/null; then $(MAKE) --no-print-directory spark-bench ARGS=; fi

docs: $(VENV)/.docs ## the documentation as HTML, warnings are errors
	@echo "==> docs"
	@$(PY) -m sphinx -E -W --keep-going --quiet -b html docs build/docs
	@echo "open build/docs/index.html"

lint: $(VENV)/.lint ## style and types, nothing is changed
	@echo "==> ruff" && $(VENV)/bin/ruff check && $(VENV)/bin/ruff format --check
	@echo "==> mypy" && $(VENV)/bin/mypy
	@echo "==> cython-lint" && PATH="$(abspath $(VENV)/bin):$$PATH" cython-lint src/cxcore/_ext
	@echo "==> clang-format" && $(VENV)/bin/clang-format --dry-run --Werror $(CPP)

format: $(VENV)/.lint ## bring the style into order
	@$(VENV)/bin/ruff check --fix && $(VENV)/bin/ruff format
	@$(VENV)/bin/clang-format -i $(CPP)

clean: ## remove the environment and everything built
	rm -rf $(VENV) $(SPARK_VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find src -name '*.so' -delete

# ------------------------------------------------------------------------------------------------ set-up

$(VENV)/.base:
	@test -n "$(PYTHON)" || { echo "cxcore needs Python 3.11 or later with venv (on Debian: python3-venv)." >&2; exit 1; }
	@echo "==> making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade 'pip>=25.1'
	@touch $@

# Without build isolation, so that a rebuild after an edit compiles only what changed.
$(VENV)/.installed: $(VENV)/.base pyproject.toml
	@echo "==> installing cxcore from this folder; the first build of the compiled core takes a minute or more"
	@$(PY) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		> $(VENV)/build-requires.txt
	@$(PIP) install -r $(VENV)/build-requires.txt
	@$(PIP) install --no-build-isolation --editable .
	@touch $@ $(VENV)/.built

$(VENV)/.built: $(NATIVE) | $(VENV)/.installed
	@echo "==> building what changed in the compiled core"
	@mkdir -p build
	@$(PY) setup.py build_ext --inplace > build/log.txt 2>&1 || { tail -40 build/log.txt; exit 1; }
	@touch $@

# What is installed already satisfies "cxcore[...]", so this adds what the extra needs and builds nothing.
$(VENV)/.demo: $(VENV)/.installed $(VENV)/.built
	@echo "==> installing what the demo needs" && $(PIP) install 'cxcore[demo]' && touch $@

$(VENV)/.test: $(VENV)/.installed $(VENV)/.built
	@echo "==> installing what the tests need" && $(PIP) install 'cxcore[all,service]' --group test
	@for minor in $(OLD_DUCKDB); do \
		$(PIP) install --upgrade --no-deps --target $(VENV)/duckdb-$$minor "duckdb==$$minor.*"; done
	@touch $@

$(VENV)/.bench: $(VENV)/.installed $(VENV)/.built
	@echo "==> installing what the benchmarks need" && $(PIP) install 'cxcore[all]' --group bench && touch $@

$(VENV)/.docs: $(VENV)/.installed $(VENV)/.built
	@echo "==> installing what the docs need" && $(PIP) install 'cxcore[all]' --group docs && touch $@

$(VENV)/.lint: $(VENV)/.installed
	@echo "==> installing what the linters need" && $(PIP) install 'cxcore[all]' --group test --group lint && touch $@

# The compiled core of $(VENV) serves it too (PYTHONPATH), so only the packages are installed.
$(SPARK_VENV)/.test: pyproject.toml | $(VENV)/.installed
	@echo "==> making $(SPARK_VENV), with Spark"
	@$(PYTHON) -m venv $(SPARK_VENV)
	@$(SPARK_VENV)/bin/python -c 'import tomllib; it = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
		extra = it["optional-dependencies"]; print(*it["dependencies"], *extra["spark"], *extra["duckdb"], sep="\n")' \
		> $(SPARK_VENV)/requires.txt
	@$(SPARK_VENV)/bin/python -m pip --disable-pip-version-check --quiet --quiet install --upgrade 'pip>=25.1'
	@$(SPARK_VENV)/bin/python -m pip --disable-pip-version-check --quiet --quiet install -r $(SPARK_VENV)/requires.txt --group test --group connect
	@touch $@

build/debug/.built: $(SOURCES) | $(VENV)/.test
	@echo "==> building the compiled core with bounds checks and asserts"
	@rm -rf build/debug && mkdir -p build/debug
	@CXCORE_DEBUG=1 $(PY) setup.py build --build-base build/debug > build/debug/log.txt 2>&1 \
		|| { tail -40 build/debug/log.txt; exit 1; }
	@touch $@
