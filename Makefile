# Three commands for developers: make check, make test, make bench. One for everybody: make demo.
# Each makes .venv on its first run and reuses it after that.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find csrc -type f) setup.py pyproject.toml
NATIVE_SOURCES := $(shell find csrc -name '*.[ch]pp' -o -name '*.cu' -o -name '*.cuh')

.PHONY: demo test soak mutants sanitize check format bench bench-peers errata clean

demo: $(VENV)/.installed
	@$(BIN)/python -m tinygan demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -q -rs

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(NATIVE_SOURCES)

soak: $(VENV)/.dev
	$(BIN)/python -m pytest --soak -n auto --dist worksteal -q

mutants: $(VENV)/.dev
	$(BIN)/python tests/mutants/run.py

# C++ kernels under ASan, UBSan, LSan and TSan, with 10,000 hostile calls a binding. Needs GCC.
sanitize: $(VENV)/.dev
	$(BIN)/python tests/sanitize/run.py

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(NATIVE_SOURCES)

bench: $(VENV)/.dev
	$(BIN)/python bench/run.py

# A second environment with tinygan and its peers; nothing of the product needs them. Their spinning
# threads would slow ours in the same process: OMP_WAIT_POLICY.
PEERS := .venv-peers
bench-peers: $(PEERS)/.installed
	OMP_WAIT_POLICY=PASSIVE $(PEERS)/bin/python bench/run.py --peer torch
	for case in dcgan64 mlp wgan_gp32 sngan32; do \
	    OMP_WAIT_POLICY=PASSIVE $(PEERS)/bin/python bench/steps.py --case $$case --peer torch,jax \
	        || exit 1; done
	OMP_WAIT_POLICY=PASSIVE $(PEERS)/bin/python bench/stacks.py --peer torch
	OMP_WAIT_POLICY=PASSIVE $(PEERS)/bin/python bench/inception.py --peer torch

$(PEERS)/.installed: $(SOURCES)
	@$(PYTHON) -m venv $(PEERS)
	@$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check \
	    -e . torch==2.13.0 jax
	@touch $@

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	    || { echo "tinygan needs Python >= 3.10; name one by: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# Where there is no compiler the install still succeeds, and Numba stands in for the C++ kernels.
$(VENV)/.installed: $(VENV)/bin/python $(SOURCES)
	@echo "installing tinygan into $(VENV) (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@$(BIN)/python -c 'import tinygan._native' 2>/dev/null || { \
	    echo "C++ kernels not built: adding Numba in their place"; \
	    $(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[numba]'; }
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python $(SOURCES)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@ $(VENV)/.installed

# docs/errata.md, from the tests that compute it; tests/errata/test_page.py says if it is stale.
errata: $(VENV)/.dev
	cd tests && ../$(BIN)/python -m errata.page

clean:
	rm -rf build $(VENV) $(PEERS) tinygan/_native*.so tinygan.egg-info
