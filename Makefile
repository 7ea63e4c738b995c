# gantut: `make book` builds the book, `make test` passes the checks. Both set up what they need, once.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.set-up
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && { echo $$p; break; }; done)
TORCH_INDEX ?=
NB ?= $(wildcard notebooks/*.ipynb notebooks/assignments/*.ipynb)
WORKERS ?= 2
ARGS ?=
OUT ?= grades
# Two workers on two cores: one thread each, or those of one would stand in the way of the other.
ENV := OMP_NUM_THREADS=1 TQDM_DISABLE=1
CACHE := GANTUT_CACHE="$(CURDIR)/.gantut"
PYTEST := $(ENV) $(CACHE) $(BIN)/python -m pytest -q -n $(WORKERS)
SOURCES := $(wildcard book/*.md book/*.bib book/_static/* book/_static/play/* book/_static/play/tf/* book/_static/schematics/* book/_ext/*.py notebooks/*.ipynb gantut/*.py gantut/*.pyi gantut/*/*.py gantut/*/*.pyi) _config.yml _toc.yml

.PHONY: help book test check matrix lint chapters notebooks assignments grade figures archive pdf bench serve clean lock

help: ## show this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

$(STAMP): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "gantut needs Python 3.11 or newer, and found none: install one, or say make PYTHON=/path/to/python3"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { echo "could not make $(VENV): on Debian and Ubuntu, install python3-venv"; rm -rf $(VENV); exit 1; }
	@echo "Installing into $(VENV) (the first time takes some minutes)"
ifneq ($(TORCH_INDEX),)
	@grep -E '^(torch|torchvision)==' requirements.lock > $(VENV)/torch.txt
	$(BIN)/pip install -q --no-deps --index-url "$(TORCH_INDEX)" -r $(VENV)/torch.txt
	@grep -vE '^(torch|torchvision|triton|nvidia-[a-z0-9-]+|cuda-[a-z0-9-]+)==' requirements.lock > $(VENV)/rest.txt
	$(BIN)/pip install -q --no-deps -r $(VENV)/rest.txt
else
	$(BIN)/pip install -q --no-deps -r requirements.lock
endif
	$(BIN)/pip install -q --no-deps --no-build-isolation -e .
	@touch $(STAMP)

book: _build/html/index.html ## set up and build the book into _build/html
	@echo "The book is ready: open _build/html/index.html, or run make serve"

_build/html/index.html: $(STAMP) $(SOURCES)
	@# After a warning the pages are read anew, or a second run would not see it again.
	$(CACHE) $(BIN)/jupyter-book build -W -n --keep-going . || { rm -rf _build/.doctrees; exit 1; }
	@touch $@

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check: lint ## the fast part of the checks, under two minutes
	$(PYTEST) --dist worksteal -m "not slow" tests

# The book's pages are made by one process, which leaves a core free for the chapters.
test: lint ## set up and pass every check: style, types, tests, notebooks, the book
	$(MAKE) -j 2 book chapters
	$(PYTEST) --dist worksteal -m "not matrix" tests

matrix: $(STAMP) ## a class of attacks, and the answers that train networks: about a quarter of an hour
	$(PYTEST) --dist worksteal -m matrix tests/assignments

chapters: $(STAMP) ## hold what the notebooks store against a fresh run
	$(PYTEST) --dist loadfile -p no:cacheprovider --nbval --nbval-current-env --nbval-cell-timeout 1200 --nbval-sanitize-with tests/nbval.cfg notebooks

notebooks: $(STAMP) ## execute the chapters anew and store their outputs (NB=notebooks/07-train-a-gan.ipynb for one)
	$(CACHE) $(BIN)/python .ci/notebooks.py $(NB)
	$(BIN)/python .ci/checks.py
	$(BIN)/python .ci/chapters.py

assignments: $(STAMP) ## build what students and graders get into _build/assignments
	$(CACHE) $(BIN)/python .ci/assignments.py

grade: $(STAMP) ## grade a class: ASSIGNMENT=A1 SUBMISSIONS=folder (OUT=grades ARGS="--only ada")
	@test -n "$(ASSIGNMENT)" -a -n "$(SUBMISSIONS)" || { echo "say make grade ASSIGNMENT=A1 SUBMISSIONS=folder"; exit 1; }
	@$(CACHE) $(BIN)/python .ci/assignments.py notebooks/assignments/$(ASSIGNMENT)-*.ipynb
	@$(CACHE) $(BIN)/python notebooks/assignments/grader _build/assignments/$(ASSIGNMENT)/$(ASSIGNMENT)-autograder.zip "$(SUBMISSIONS)" -o "$(OUT)" $(ARGS)

figures: $(STAMP) ## take the chapters' figures for slides into _build/figures
	$(BIN)/python .ci/figures.py

archive: book ## put the book into one file to read without a network, _build/gantut-book.zip
	cp _build/html/gantut-book.zip _build/gantut-book.zip

pdf: book ## print the book into _build/gantut-book.pdf (needs Chromium)
	$(BIN)/python .ci/pdf.py

bench: $(STAMP) ## measure the trainers against their ceiling and other loops (ARGS="--only gan --seconds 1")
	$(BIN)/python tests/benchmarks/run.py $(ARGS)

serve: book ## serve the book on http://localhost:8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html 8000

lock: ## resolve requirements.lock anew (needs uv)
	uv pip compile --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url --upgrade --all-extras pyproject.toml -o requirements.lock

clean: ## remove what was built (the environment too)
	rm -rf _build .gantut $(VENV) .pytest_cache .ruff_cache .mypy_cache build dist *.egg-info
