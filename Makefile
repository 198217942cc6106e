PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
# The oldest SDK that pyproject.toml allows, for the tests; its dependencies are those of the installed one.
OLDEST := 1.10.1
OLDEST_SDK := .venv/sdk-$(OLDEST)
# RunPod's client for JavaScript and axe, for the tests of endpoint and panel; without npm they skip it, and say so.
JS := .venv/node/node_modules/axe-core
# The language model of notebooks/streaming.ipynb, a folder made from a Python package (half a minute, 270 MB).
SMOLLM2 := .venv/smollm2-135m-instruct
# Small environments of old IPythons and other Pythons, as far as those are on the machine (a minute).
KERNELS := .venv/kernels/.ready

.PHONY: setup demo test lint bench docs lab clean

setup: $(STAMP) $(OLDEST_SDK) $(JS)

# Rebuilt only when what is to be installed changes, so that a second `make setup` does nothing.
$(STAMP): pyproject.toml constraints.txt $(wildcard labextension/*.json labextension/static/*.js)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -qq --constraint constraints.txt --editable '.[dev]'
	touch $(STAMP)

$(OLDEST_SDK): | $(STAMP)
	$(BIN)/python -m pip install -qq --no-deps --target $@ runpod==$(OLDEST)

$(JS): | $(STAMP)
	if command -v npm >/dev/null; then npm install --silent --no-fund --no-audit --prefix .venv/node runpod-sdk@1.1.2 axe-core@4.10.2; fi

$(SMOLLM2): | $(STAMP)
	$(BIN)/python scripts/make-smollm2 $@

$(KERNELS): pyproject.toml scripts/make-kernel-envs | $(STAMP)
	$(BIN)/python scripts/make-kernel-envs $(@D)
	touch $@

demo: setup
	$(BIN)/rp-notebook demo

test: setup $(SMOLLM2) $(KERNELS)
	scripts/install-test-packages
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python -m tests.bench $(ARGS)

# The pages of docs/ that the code itself tells.
docs: setup
	$(BIN)/python scripts/write_docs.py

lab: setup $(SMOLLM2)
	MODEL=$(CURDIR)/$(SMOLLM2) $(BIN)/jupyter lab notebooks

clean:
	rm -rf .venv build dist .mypy_cache .pytest_cache .ruff_cache
