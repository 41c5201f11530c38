# perptape: `make demo` and `make test` set everything up by themselves (Python 3.11 or later).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Tests wait more than they compute: three processes for two processors; a file stays in one of them.
# WORKERS= runs all in one.
WORKERS ?= --numprocesses 3 --dist loadfile --no-loadscope-reorder

.PHONY: demo run kafka test long soak check lint types bench tools validators readers promtool kustomize lock clean

# Runtime only: what `demo` and `run` need.
$(VENV)/.runtime: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "perptape needs Python 3.11 or later; set PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the pinned dependencies into $(VENV) (once, a minute or two)"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# Everything that tests and linters need on top.
$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@touch $@

# The main job on simulated venues: no network, no account, no Docker. Ctrl-C ends it.
demo: $(VENV)/.runtime
	@$(BIN)/perptape up --venues simulated --assets BTC,ETH --speed 3 --show BTC $(ARGS) || [ $$? -eq 130 ]

# The same on the live venues.
run: $(VENV)/.runtime
	@$(BIN)/perptape up --show BTC $(ARGS) || [ $$? -eq 130 ]

# Apache Kafka on loopback, without Docker (Java 17 and Maven); Ctrl-C ends it.
kafka: $(VENV)/.runtime
	@$(BIN)/python -m deploy.kafka $(ARGS)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m "not long" $(WORKERS) $(ARGS)

# Large kill, fault and fuzz runs.
long: $(VENV)/.dev
	$(BIN)/python -m pytest -q -m long --ignore tests/long $(ARGS)

# Half an hour of all simulated venues with faults; prints its figures.
soak: $(VENV)/.dev
	$(BIN)/python -m pytest -q -s -m long tests/long $(ARGS)

check: lint types

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(VENV)/.dev
	$(BIN)/mypy .

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks $(ARGS)

# What checks the files of deploy/ and of `perptape export`, beyond our own tests of them; where one
# cannot be had, its tests are skipped and say so.
tools: promtool kustomize validators readers

# Schemas of Compose and Kubernetes, apart from our environment: they want other versions of ours.
validators: build/validators/.made
build/validators/.made: tests/deploy/validators.lock
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --require-hashes -r $<
	@touch $@

# DuckDB and Polars, for the tests that they read what is exported.
readers: build/readers/.made
build/readers/.made: tests/sinks/parquet/readers.lock
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --require-hashes -r $<
	@touch $@

# Prometheus's own checker, out of Debian's package, for the tests of deploy/prometheus.
promtool: build/promtool/promtool
build/promtool/promtool:
	@mkdir -p $(@D)
	@cd $(@D) && apt-get -q download prometheus >/dev/null && dpkg-deb -x prometheus_*.deb unpacked
	@mv $(@D)/unpacked/usr/bin/promtool $@ && rm -rf $(@D)/unpacked $(@D)/*.deb

# Kustomize, built with Go, for the tests of deploy/kubernetes.
kustomize: build/kustomize/kustomize
build/kustomize/kustomize:
	@GOBIN=$(abspath $(@D)) go install sigs.k8s.io/kustomize/kustomize/v5@v5.8.0

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Rewrites both lock files from pyproject.toml; they carry hashes and no index address.
LOCK = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-header --no-annotate pyproject.toml
lock:
	$(LOCK) --extra build -o requirements.lock
	$(LOCK) --extra build --extra dev -c requirements.lock -o requirements-dev.lock
