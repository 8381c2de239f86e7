# Everything a newcomer needs. `make run` and `make test` work on a fresh machine with Python >= 3.11.
PYTHON ?= python3
ROOT := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
VENV := $(ROOT).venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := $(ROOT)pyproject.toml $(ROOT)constraints.txt
export KEDRO_DISABLE_TELEMETRY := 1

.PHONY: help run test test-slow check audit format viz ui notebook clean-data install benchmark
.DEFAULT_GOAL := help

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(lastword $(MAKEFILE_LIST)) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch comes first and exactly: asked for as a dependency, pip may fetch gigabytes of another build.
$(VENV)/.installed: $(SOURCES) | $(BIN)/python
	$(PIP) install --quiet "$$(grep -m1 '^torch==' $(ROOT)constraints.txt)"
	$(PIP) install --quiet --constraint $(ROOT)constraints.txt --editable $(ROOT)
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) install --quiet --constraint $(ROOT)constraints.txt --editable "$(ROOT)[dev]"
	@touch $@

install: $(VENV)/.installed  ## Make .venv and install the project in it

run: $(VENV)/.installed  ## Train, evaluate and export, skipping what has not changed (ARGS="--env NAME" for another problem)
	@cd $(ROOT) && $(BIN)/kedro run --runner wenliu.runner.FreshRunner $(ARGS)

# Two workers on two cores: one thread each, or they wait for one another.
test test-slow: export OMP_NUM_THREADS := 1

test: $(VENV)/.installed-dev  ## Run the tests
	@cd $(ROOT) && $(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

test-slow: $(VENV)/.installed-dev  ## Run the slow tests too
	@cd $(ROOT) && $(BIN)/python -m pytest -n 2 --dist loadfile -m "not gpu" $(ARGS)

check: $(VENV)/.installed-dev  ## Lint, formatting, types
	@cd $(ROOT) && $(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

format: $(VENV)/.installed-dev  ## Format the code and mend what ruff can
	@cd $(ROOT) && $(BIN)/ruff format . && $(BIN)/ruff check --fix .

# In an environment of its own: what checks the dependencies is none of them. --strict: nothing is skipped.
audit:  ## Hold the pinned versions against known vulnerabilities (needs pypi.org)
	@test -x $(ROOT).venv-audit/bin/pip-audit || { $(PYTHON) -m venv $(ROOT).venv-audit && $(ROOT).venv-audit/bin/pip install --quiet pip-audit; }
	@$(ROOT).venv-audit/bin/pip-audit --strict --disable-pip --no-deps --requirement $(ROOT)constraints.txt

$(VENV)/.installed-benchmark: $(VENV)/.installed-dev
	$(PIP) install --quiet --constraint $(ROOT)constraints.txt --editable "$(ROOT)[benchmark]"
	@touch $@

BENCHMARKS := startup segment tokenize preprocess night finetune_cpu finetune_gpu inference_cpu scaling gate robustness
benchmark: $(addprefix benchmark-,$(BENCHMARKS))  ## Measure against the peers (an hour; WENLIU_BENCH_DATA=folder of real data)

benchmark-%: $(VENV)/.installed-benchmark  ## One comparison: make benchmark-segment
	@cd $(ROOT) && $(BIN)/python -m benchmarks.$*

viz: $(VENV)/.installed-dev  ## Look at the DAG in Kedro-Viz
	@cd $(ROOT) && $(BIN)/kedro viz run

ui: $(VENV)/.installed  ## Look at the runs in MLflow
	@echo "MLflow will answer at http://127.0.0.1:5000 in a moment; Ctrl-C ends it"
	@cd $(ROOT) && PYTHONWARNINGS=ignore $(BIN)/mlflow ui --backend-store-uri sqlite:///$(ROOT)mlflow.db --uvicorn-opts "--log-level warning"

notebook: $(VENV)/.installed-dev  ## Open the notebooks
	@cd $(ROOT) && $(BIN)/jupyter notebook notebooks

clean-data:  ## Delete everything that runs have made; written and raw data stay
	@cd $(ROOT) && rm -rf data/0[2-8]_* data/.aside data/.memo mlflow.db* .mlflow.lock mlartifacts logs .viz && echo "deleted what runs had made; data/00_written and data/01_raw are untouched"
