# `make book` and `make test` are all a newcomer needs; both create the environment they use.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
SCALE ?= laptop

.DEFAULT_GOAL := help
.PHONY: help book test notebooks results paper bench serve lint clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(VENV)/.ready: requirements.txt pyproject.toml
	$(PYTHON) -c "import sys; sys.exit('Python 3.11 or later is needed, this is ' + sys.version) if sys.version_info < (3, 11) else 0"
	$(PYTHON) -m venv $(VENV)
	grep -E '^torch==' requirements.txt > $(VENV)/torch.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r $(VENV)/torch.txt
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

book: $(VENV)/.ready ## build the whole book into _build/html
	$(PY) -m sitekit.build
	@echo "The book is built: open _build/html/index.html, or run: make serve"

test: book ## run every check: library, pages in a browser, notebooks in a fresh environment
	$(PY) -m ruff check . && $(PY) -m ruff format --check .
	$(PY) -m pytest -q isolib coursework tests

notebooks: $(VENV)/.ready ## build the book and update the .ipynb files in notebooks/
	$(PY) -m sitekit.build --notebooks

results: $(VENV)/.ready ## remake the stored results at laptop scale (minutes a chapter)
	$(PY) -m experiments --scale laptop

paper: $(VENV)/.ready ## remake the stored results at paper scale (a GPU)
	$(PY) -m experiments --scale paper

bench: $(VENV)/.ready ## measure isolib beside what one would use instead
	$(PY) -m benchmarks

serve: book ## serve the built book at http://localhost:8000
	$(PY) -m http.server --directory _build/html 8000

lint: $(VENV)/.ready ## format and lint the code
	$(PY) -m ruff format . && $(PY) -m ruff check --fix .

clean: ## remove what was built (not the environment)
	rm -rf _build dist
