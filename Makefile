# What people run and what CI runs. Needs Python 3.11 and make; everything else is installed into .venv.
PYTHON ?= python3.11
EXTRAS ?= dev
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp-$(EXTRAS)
PYTEST_ARGS ?=
FUZZ_ARGS ?=
SOAK_ARGS ?=
PEERS_ARGS ?=
MATRIX_ARGS ?=
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help install test demo check docs format oracles lock-check wheel smoke matrix fuzz soak bench bench-warm bench-networks bench-peers bench-memory bench-sandbox bench-scaling bench-night train-bundled clean

help:
	@echo "make test     run the tests                 make demo    a made-up challenge, from nothing to one page"
	@echo "make check    ruff, mypy, generated pages   make format  let ruff rewrite the files"
	@echo "make docs     pages about metrics and rules, from the records"
	@echo "make oracles  environment for parity tests  make smoke   build a wheel and try it elsewhere"
	@echo "make matrix   the wheel beside what users have: Pythons, NumPy 1.26, the lowest versions"
	@echo "make lock-check  whether requirements.lock can be installed: digests of all packages"
	@echo "make train-bundled  train the bundled small networks again (about 40 minutes on two cores)"
	@echo "make fuzz     mutated archives, NPY and WAV files, tables, YAML, JSON, MP4s, scorecards, boards, signatures (FUZZ_ARGS='--inputs 1000')"
	@echo "make soak     kill -9 at random moments of five commands, and what is left then (SOAK_ARGS='--kills 5')"
	@echo "make bench    timings, as ratios in one run (bench-networks: the five neural metrics on"
	@echo "              real clips; bench-warm: commands that find all in the cache; bench-sandbox: what"
	@echo "              confined workers cost; bench-memory: what a worker holds after each video;"
	@echo "              bench-peers: other people's programs on the same clips, PEERS_ARGS='--clips 20';"
	@echo "              bench-scaling: time and memory by the number of videos)"

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -e '.[$(EXTRAS)]'
	rm -f $(VENV)/.stamp-*
	touch $@

install: $(STAMP)

test: $(STAMP)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

demo: $(STAMP)
	$(BIN)/evalkit demo -o demo

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/make_docs.py --check

docs: $(STAMP)
	$(BIN)/python scripts/make_docs.py

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

oracles:
	scripts/make_oracles.sh

# pip fetches every package and compares its digest; nothing is installed.
lock-check: $(STAMP)
	PIP_CONSTRAINT= $(BIN)/python -m pip install --quiet --require-hashes --no-deps --dry-run --ignore-installed \
		-r requirements.lock

fuzz: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m fuzz $(FUZZ_ARGS)

soak: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m soak $(SOAK_ARGS)

wheel: $(STAMP)
	rm -rf dist build
	$(BIN)/python -m build --outdir dist .

smoke: wheel
	scripts/smoke_wheel.sh

# MATRIX_ARGS='3.13 numpy-1.26'
matrix: wheel
	scripts/install_matrix.sh $(MATRIX_ARGS)

bench: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m benchmarks.run

bench-networks: $(STAMP)
	$(BIN)/python -m benchmarks.networks
	$(BIN)/python -m benchmarks.five_metrics

# Other people's programs beside evalkit; PEERS_ARGS='--clips 20 --family identity'
bench-peers: $(STAMP) oracles
	$(BIN)/python -m benchmarks.peers $(PEERS_ARGS)

bench-warm: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m benchmarks.warm

bench-memory: $(STAMP)
	mkdir -p build
	PYTHONPATH=tests $(BIN)/python -m benchmarks.memory --networks --plot build/memory.svg

bench-scaling: $(STAMP)
	mkdir -p build
	$(BIN)/python -m benchmarks.scaling --plot build/scaling.svg

bench-sandbox: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m benchmarks.sandbox

bench-night: $(STAMP)
	PYTHONPATH=tests $(BIN)/python -m benchmarks.night

# The networks go to build/bundled; 'python -m training.publish build/bundled --install' makes them the bundled ones.
train-bundled: $(STAMP)
	$(BIN)/python -m training.train --seed 1 --work build/bundled-data --output build/bundled
	$(BIN)/python -m benchmarks.bundled --weights build/bundled -o build/bundled/figures.json

clean:
	rm -rf $(VENV) .venv-oracles .wheel-smoke build dist demo *.egg-info
