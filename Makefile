# Everything a fresh machine needs: `make demo` and `make test` do all the set-up themselves.
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test faults fuzz lint docs docs-tables docs-pictures bench report studio studio-check clean

demo: $(READY)
	$(BIN)/scumble demo

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# Fifty real kills of workers and drivers, where `make test` has twenty.
faults: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -s -m faults tests/work

# Tens of thousands of damaged files, where `make test` tries some hundred of each kind, and the replay of every
# candidate of every method, where it tries three.
CASES ?= 3000
fuzz: $(READY)
	SCUMBLE_FUZZ=$(CASES) OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) tests/fuzz tests/editing/test_again.py

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m scumble_lab.limits

# The site, offline; a warning is an error. Open build/docs/html/index.html.
docs: $(READY)
	$(BIN)/python docs/build.py build/docs

# The tables of measured figures in the pages, from docs/figures-data and the report's files.
docs-tables: $(READY)
	$(BIN)/python docs/tables.py

# The methods' pictures, by the commands on their pages. One alone: .venv/bin/python docs/pictures.py NAME
docs-pictures: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python docs/pictures.py

bench: $(READY)
	$(BIN)/python -m benchmarks

# Resumes where it stopped. The full benchmark: make report COUNT=24
COUNT ?= 4
SEED ?= 0
JOBS ?= 2
report: $(READY)
	$(BIN)/scumble bench make out/bench --count $(COUNT) --seed $(SEED)
	$(BIN)/scumble bench run out/bench --count $(COUNT) --jobs $(JOBS)
	$(BIN)/scumble bench claims out/bench --output docs/report
	$(BIN)/scumble bench report out/bench --output docs/report
	$(BIN)/python docs/tables.py

# The studio's page is built by hand (needs Node) and committed: nobody else needs Node.
studio:
	cd web && npm ci --no-audit --no-fund && npm run build

# For hosted workflows: tests of the page without a browser, a stroke and an edit in Firefox, and whether the committed
# page is the one that is built.
studio-check: studio $(READY)
	cd web && npm test
	cd web && node test/firefox.mjs
	git diff --exit-code src/scumble/studio/static

$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch numpy
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,evaluation,jpeg,photos,studio,browser-tests,openvino,ray,docs]"
	touch $(READY)

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis src/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
