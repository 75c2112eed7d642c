# Every target sets up what it needs, says what it does, and may be repeated.
PYTHON ?= $(firstword $(foreach one,python3.11 python3.12 python3.13 python3,$(if $(shell command -v $(one) 2>/dev/null),$(one))) python3.11)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
COMPILED := $(VENV)/.compiled
PYTEST := $(BIN)/python -m pytest
# A file to a process, in the order of tests/conftest.py: xdist's own would begin the long files with one test last.
BY_FILE := -n 2 --dist loadfile --no-loadscope-reorder
# Python keeps what it compiled: else every process, and pytest for every test file, compiles it all anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: harvest-week identity install run test check lint types unit uncompiled browser browser-tests screenshots simulation kills parity parity-drivers memory bench bench-peers lock sample clean

install: $(STAMP)

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) was not found: install Python 3.11 or newer, or name it: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11: name a newer one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (Debian: apt-get install python3.11-venv), then repeat the command."; exit 1; }
	@echo "Making the virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(STAMP): $(BIN)/python requirements.lock requirements-dev.lock pyproject.toml
	@echo "Installing the locked packages (about 300 MB the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(STAMP)
	@echo "Installed: try $(BIN)/optionwriter --help"

run: $(STAMP)
	@echo "The demo: local exchange, agent, pages and a worker for backtests; Ctrl-C stops them, the next make run goes on (make run UP=--fresh: anew)"
	@$(BIN)/optionwriter up $(UP)

check: $(STAMP)
	@echo "Lint, format, imports, dependencies and, beside them, types and the rules' compiling; then the unit tests"
	@$(MAKE) --no-print-directory -j 2 types lint $(COMPILED)
	@$(MAKE) --no-print-directory unit

types: $(STAMP)
	@$(BIN)/mypy

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@PYTHONPATH=src $(BIN)/lint-imports
	@$(BIN)/deptry .

unit: $(STAMP)
	@$(PYTEST) -q $(BY_FILE) -m "not slow" tests

# Once, beside mypy, which leaves a core idle: else each of the tests' processes compiles the same rules by itself.
$(COMPILED): $(STAMP) $(shell find src/optionwriter/core -name '*.py')
	-@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && DATABASE_URL= $(BIN)/optionwriter backtest \
		--underlyings BTC --from 2026-02-05 --to 2026-02-06 --data-dir "$$folder" > /dev/null && touch $@

uncompiled: $(STAMP)
	@echo "The rules once more, uncompiled, for coverage"
	@NUMBA_DISABLE_JIT=1 $(PYTEST) -q -n 2 -m "not slow" tests/core/decide --cov=optionwriter.core.decide --cov-report=term

browser: $(STAMP)
	@$(BIN)/python scripts/browser.py

browser-tests: browser
	@echo "The page over the running demo, in the browser (NO_BROWSER=1 leaves it out)"
	@$(PYTEST) -q tests/browser

screenshots: browser
	@echo "Remaking docs/img/*.png from a demo that this starts itself"
	@$(BIN)/python scripts/screenshots.py

test: check uncompiled browser-tests
	@echo "The long tests: simulation, parity, properties at full size"
	@$(PYTEST) -q $(BY_FILE) -m slow --ignore tests/browser tests

simulation: $(STAMP)
	@echo "Sixty recorded days on the exchange engine, twenty of them twice, and paper against the engine"
	@$(PYTEST) -q $(BY_FILE) -m slow tests/simulation/test_sixty_days.py tests/parity

kills: $(STAMP)
	@echo "kill -9 of agent, exchange and both, fifty times each, over real sockets (about ten minutes)"
	@KILLS=50 $(PYTEST) -q -s tests/simulation/test_kill.py

parity: $(STAMP)
	@echo "Thirty days over HTTP and in one process must leave the same facts (about five minutes)"
	@PARITY_DAYS=30 $(PYTEST) -q -s tests/parity

parity-drivers: $(STAMP)
	@echo "A hundred random backtests that the event and the compiled driver must trade alike (about five minutes)"
	@PARITY_RUNS=100 $(PYTEST) -q -s -m slow tests/parity/test_drivers.py

identity: $(STAMP)
	@echo "A hundred random backtests whose positions and holding must add up to their equity (about five minutes)"
	@IDENTITY_RUNS=100 $(PYTEST) -q -s -m slow tests/services/test_backtest_identity.py

harvest-week: $(STAMP)
	@echo "A week of harvesting the local exchange every 15 minutes, with faults, kills and restarts (about a minute)"
	@HARVEST_MINUTES=15 $(PYTEST) -q -s -m slow tests/services/test_harvest_week.py

memory: $(STAMP)
	@echo "Thirty days of five-minute loops over HTTP; the memory of agent and exchange (about half an hour)"
	@$(BIN)/python -m bench.bench_wire_loop 30

bench: $(STAMP)
	@$(BIN)/python -m bench

PEERS := bench/peers/.venv
PEERS_PYTHON ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.12*/bin/python) python3.12)

$(PEERS)/.installed: bench/peers/requirements.txt
	@echo "Installing vectorbt, optopsy and nautilus_trader in $(PEERS), for the comparison alone (about 1.5 GB)"
	@$(PEERS_PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -r bench/peers/requirements.txt
	@touch $(PEERS)/.installed

bench-peers: $(STAMP) $(PEERS)/.installed
	@$(BIN)/python -m bench.peers

sample: $(STAMP)
	@echo "Making src/optionwriter/sample anew from the recordings in ../shared/data (under a minute)"
	@$(BIN)/python scripts/make_sample.py --data ../shared/data

lock:
	@echo "Remaking requirements.lock and requirements-dev.lock (newest versions that pyproject admits)"
	@$(BIN)/python scripts/lock.py

clean:
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache
