# Everything needs only make and Python 3.11-3.13; the environment is made on first use.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
OUT ?= out/zhengzhou
# Test processes side by side; each may take 2 GB.
WORKERS ?= 2

.PHONY: help run test nightly lint types imports unit environment bench bench-map bench-service clean

help:
	@echo "make run    install, run Zhengzhou on the embedded default, print where the map is"
	@echo "make test   install, check style, types and imports, run the tests"
	@echo "make nightly  the fuzz over studies and layers, 10,000 cases"
	@echo "make bench  compare the speed with peers (QUICK=1: under 5 minutes)"
	@echo "make bench-map  the map page against plain folium, in a browser"
	@echo "make bench-service  pages a second of the service, beside a server of files"

run: $(VENV)/.installed
	@$(BIN)/suanzhi run zhengzhou --out $(OUT)

test: $(VENV)/.installed-dev lint types imports unit

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

imports: $(VENV)/.installed-dev
	$(BIN)/lint-imports

unit: $(VENV)/.installed-dev
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not alone"
	$(BIN)/pytest -m alone $$(grep -rl --include="*.py" "mark\.alone" tests)

nightly: $(VENV)/.installed-dev
	SUANZHI_FUZZ_CASES=10000 $(BIN)/pytest tests/laws

# The peers live apart; one that cannot be installed is named in the table.
bench: $(VENV)/.installed-dev .env-peers/.installed
	SUANZHI_PEERS_PYTHON=$(CURDIR)/.env-peers/bin/python $(BIN)/python benchmarks/run.py $(if $(QUICK),--quick)

.env-peers/.installed: benchmarks/requirements-peers.txt | $(VENV)/bin/python
	$(BIN)/python -m venv .env-peers
	@grep -v '^#' $< | while read -r peer; do \
		.env-peers/bin/python -m pip install --quiet --disable-pip-version-check "$$peer" \
			|| echo "peer $$peer could not be installed; its rows will say so"; done
	@touch $@

bench-map: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/map_page.py $(if $(QUICK),--quick)

bench-service: $(VENV)/.installed-dev
	$(BIN)/python benchmarks/service.py $(if $(QUICK),--quick)

environment: $(VENV)/.installed-dev

$(VENV)/bin/python:
	@sh tools/make_environment.sh $(VENV) $(PYTHON)

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "installing suanzhi into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/bin/python
	@echo "installing suanzhi and what its tests need into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[parquet,dev]"
	@touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
