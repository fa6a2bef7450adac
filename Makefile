# Two commands set everything up: `make run` and `make test`. Each installs what it needs into .venv, builds one
# release wheel, installs it there, and does nothing a second time unless an input changed. The network is used only
# for what is missing.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

VENV := .venv
PY := $(VENV)/bin/python
REPORTS := target/reports
SIZE := full
# Everything the wheel is made of.
INPUTS := Cargo.toml Cargo.lock .cargo/config.toml pyproject.toml README.md LICENSE THIRD_PARTY_NOTICES.txt \
	$(shell find rust python \( -type d -o -name '*.rs' -o -name '*.toml' -o -name '*.sql' -o -name '*.lua' -o -name '*.py' -o -name '*.pyi' -o -name 'py.typed' \) -not -name __pycache__ 2>/dev/null)

# After the `crates` step everything is on disk, so cargo need not look at the network again.
export CARGO_NET_OFFLINE := true
export PYO3_PYTHON := $(CURDIR)/$(PY)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help
help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

.PHONY: run
run: build $(if $(filter redis://,$(STORE)),servers) ## the main job: census of the standard library (STORE=url RUNNER=name)
	$(PY) examples/code_census/run.py $(if $(STORE),--store '$(STORE)') $(if $(RUNNER),--runner '$(RUNNER)')

.PHONY: servers
servers:
	@scripts/servers.sh

.PHONY: test
test: build servers ## all tests, Rust and Python (T='-k name' is passed to pytest)
	@mkdir -p $(REPORTS)
	@rm -f $(REPORTS)/*
	cargo test --locked 2>&1 | tee $(REPORTS)/cargo.txt
	$(PY) scripts/suite.py $(REPORTS) $(T)
	$(PY) scripts/test_counts.py $(REPORTS)

.PHONY: chaos
chaos: build servers ## faults of Redis in full, into docs/concepts/guarantees.md (SIZE=short, medium or full; T as for test)
	PYNENC_CHAOS=20 cargo test --locked -p pynenc-store-redis --test faults --test lost_scripts --test sentinel --test cluster
	PYNENC_CHAOS_SIZE=$(SIZE) PYNENC_CHAOS_RESULTS=$(CURDIR)/docs/concepts/guarantees.json $(PY) -m pytest -q -o faulthandler_timeout=7200 tests/chaos $(T)
	$(PY) scripts/chaos_table.py

.PHONY: storms
storms: build servers ## kills and restarts of workers and power cuts in full, into docs/concepts/guarantees.md; waits in full
	PYNENC_CHAOS_SIZE=full PYNENC_CHAOS_RESULTS=$(CURDIR)/docs/concepts/guarantees.json $(PY) -m pytest -q -o faulthandler_timeout=7200 tests/crash/test_kill_storms.py tests/crash/test_worker_storms.py tests/crash/test_power_cuts.py tests/crash/test_hostile_calls.py tests/crash/test_neighbours.py tests/matrix/test_waits.py tests/runners/test_async_runner.py -k 'random or rolling or one_slot or thousands or power or hostile or innocent' $(T)
	$(PY) scripts/chaos_table.py

.PHONY: redis-costs
redis-costs: build servers ## what a task costs Redis, and a million queued, into docs/guides/running-on-redis.md
	PYNENC_COSTS_RESULTS=$(CURDIR)/docs/guides/redis-costs.json cargo run --release --locked -p pynenc-store-redis --example throughput
	PYNENC_SCALE=1000000 PYNENC_SCALE_RESULTS=$(CURDIR)/docs/guides/redis-scale.json cargo test --release --locked -p pynenc-store-redis --test scale
	$(PY) scripts/redis_costs.py

SITE := target/docs
SITE_INPUTS := $(shell find docs -type f -not -name '*.pyc') $(wildcard *.md) Cargo.toml pyproject.toml scripts/check_site.py

.PHONY: docs
docs: $(SITE)/.built ## the documentation as a site, in target/docs/html; warnings and broken links are errors

$(SITE)/.built: $(VENV)/.installed $(SITE_INPUTS)
	@$(PY) scripts/requirements.py docs
	$(PY) -m sphinx --fail-on-warning --keep-going --quiet --doctree-dir $(SITE)/doctrees docs $(SITE)/html
	$(PY) scripts/check_site.py $(SITE)/html
	@touch $@

.PHONY: lint
lint: build ## formatters, linters, strict types, the boundary, notices, advisories, documents
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --quiet -- -D warnings
	cargo clippy --locked --workspace --quiet -- -D warnings # as it is released: without what tests switch on
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	cd examples/shop && ../../$(PY) -m mypy --cache-dir ../../.mypy_cache/shop
	@# It brings an interpreter of its own, 280 MB of it: only for those who lint.
	@test -x $(VENV)/bin/basedpyright || $(PY) -m pip install --quiet 'basedpyright>=1.30'
	$(VENV)/bin/basedpyright
	$(PY) -m mypy.stubtest pynenc._core --mypy-config-file pyproject.toml --allowlist tests/boundary/stubtest_allowlist.txt
	$(PY) scripts/check_boundary.py
	$(PY) scripts/notices.py --check
	$(PY) scripts/audit.py
	@$(MAKE) --no-print-directory docs

BENCH := PYTHONPATH=tests:benches $(PY)

.PHONY: bench
bench: build servers ## benchmarks of this machine; renders README.md and docs/benchmarks.md (T='-k name')
	@mkdir -p $(REPORTS)
	$(PY) -m pytest benches --benchmark --benchmark-only --benchmark-json=$(REPORTS)/bench.json -q $(T)
	$(BENCH) -m benchkit.collect $(REPORTS)/bench.json
	$(BENCH) benches/render.py

.PHONY: bench-peers
bench-peers: build servers ## ours and each peer in turn, in one session (PEERS='--peer NAME'); renders too
	$(BENCH) -m peers.compare $(PEERS)
	$(BENCH) benches/render.py

.PHONY: instructions
instructions: crates ## instructions of the core's hot verbs against benches/instructions.json (WRITE=1 records)
	@scripts/valgrind.sh
	python3 scripts/instructions.py $(if $(WRITE),--write)

.PHONY: wheel
wheel: venv crates ## release wheel in dist/, tried in a clean venv without Rust
	rm -rf dist
	scripts/wheel.sh $(VENV) $(WHEEL_FLAGS)
	$(PY) scripts/try_wheel.py dist

.PHONY: build
build: $(VENV)/.installed ## the wheel, installed in .venv

$(VENV)/.installed: $(INPUTS) | venv crates
	rm -rf target/wheels
	$(VENV)/bin/maturin build --release --quiet --out target/wheels --interpreter $(PY)
	$(PY) -m pip install --quiet --no-index --no-deps --force-reinstall target/wheels/*.whl
	@touch $@

.PHONY: venv
venv: ## .venv with the dependencies of pyproject.toml
	@scripts/venv.sh $(VENV)

.PHONY: crates
crates:
	@scripts/crates.sh

.PHONY: fmt
fmt: venv ## format Rust and Python in place
	cargo fmt --all
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format --quiet .

.PHONY: clean
clean: ## remove everything that was built or installed here
	rm -rf target dist $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks examples/code_census/out
