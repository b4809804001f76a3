# `make demo` and `make test` set up everything; `make help` lists all targets.
PYTHON ?= python3
VENV := .venv
DEMO_VENV := .venv-demo
REFERENCE_VENV := .venv-reference
BIN := $(VENV)/bin
TEST_PROCESSES ?= 2
PIP_FLAGS := --quiet --disable-pip-version-check

.PHONY: help packages installers demo test tracer chaos long architecture test-editors vsix lint lint-vscode lint-lua format format-lua reference bench clean python-ok
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 14

python-ok:
	@command -v $(PYTHON) >/dev/null || { echo "Python 3.11 or newer is needed: install it, or run make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 15))' || \
	  { echo "Python 3.11 to 3.14 is needed, but $(PYTHON) is $$($(PYTHON) --version): run make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) lacks the venv module: install your system's python3-venv package"; exit 1; }

$(DEMO_VENV)/ready: pyproject.toml | python-ok
	@echo "Setting up $(DEMO_VENV): the server and ONNX Runtime, about 60 MB to download."
	@rm -rf $(DEMO_VENV)
	@$(PYTHON) -m venv $(DEMO_VENV)
	@$(DEMO_VENV)/bin/python -m pip install $(PIP_FLAGS) -e '.[cpu]'
	@touch $@

demo: $(DEMO_VENV)/ready ## complete code as an editor would, with the real language server
	@$(DEMO_VENV)/bin/python tools/demo.py

$(VENV)/ready: pyproject.toml constraints/ci.txt | python-ok
	@echo "Setting up $(VENV): about 500 MB to download with a CPU build of PyTorch, several GB where pip picks a CUDA build."
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install $(PIP_FLAGS) -c constraints/ci.txt -e '.[dev]'
	@touch $@

tracer: # strace shows that nothing leaves the machine, bubblewrap confines generated programs; without them, tests are skipped, or fail in CI
	@{ command -v strace && command -v bwrap; } >/dev/null || [ "$$CG2LS_INSTALL_SYSTEM" != 1 ] || \
	  { apt-get -qq update && apt-get -qq -y install bubblewrap strace >/dev/null; } || \
	  { echo "The tests of privacy and of the sandbox need strace and bubblewrap, which Debian's archive did not deliver." >&2; exit 1; }

test: $(VENV)/ready lint tracer ## lint and run all tests; CG2LS_INSTALL_SYSTEM=1 installs strace and bubblewrap
	@$(BIN)/python -m pytest tests -n $(TEST_PROCESSES) --dist loadfile --durations 40

CHAOS := $(BIN)/cg2ls replay cg2ls/server cg2ls/engine quantize/cg2_quantize

chaos: $(VENV)/ready ## send 2,000 keys to a real server while its environment fails
	@$(CHAOS) --chaos 2000

long: $(VENV)/ready ## run the long tests: 20,000 keys of chaos and of a soak, many edit sequences; an hour
	@.ci/parts '$(CHAOS) --chaos 20000' \
	  'CG2LS_EDITOR_EXAMPLES=300 $(BIN)/python -m pytest --timeout 0 tests/cg2ls/server/test_editor_model.py' \
	  '$(BIN)/cg2ls bench --server --memory' '$(CHAOS) --soak 20000'

test-editors: $(VENV)/ready ## test the editors' clients in real editors; CG2LS_INSTALL_SYSTEM=1 installs what they need
	@status=0; for tests in editors/*/run-tests; do CG2LS_PYTHON=$(CURDIR)/$(BIN)/python $$tests || status=1; done; exit $$status

architecture: $(VENV)/ready ## draw docs/design/architecture.svg from the imports in the code
	@$(BIN)/python tools/architecture.py

packages: python-ok ## build wheel and sdist into dist/ and check them as PyPI will
	@rm -rf dist .venv-packages
	@$(PYTHON) -m venv .venv-packages
	@.venv-packages/bin/python -m pip install $(PIP_FLAGS) build twine
	@.venv-packages/bin/python -m build --outdir dist . >/dev/null
	@.venv-packages/bin/twine check --strict dist/*
	@rm -rf .venv-packages

installers: $(VENV)/ready ## install the wheel with uv, pipx and pip in empty homes, and run it
	@$(BIN)/python tools/try_installers.py

lint: $(VENV)/ready ## check format, lint rules and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

vsix: python-ok ## package the VS Code extension with the server's wheel
	@editors/vscode/npm-ready
	@cd editors/vscode && PYTHON=$(PYTHON) npm run --silent package

lint-vscode: ## check types, format, lint rules and unit tests of the VS Code extension
	@editors/vscode/npm-ready
	@cd editors/vscode && npm run --silent check && npm run --silent test

lint-lua: ## check format and lint rules of the Neovim plugin
	@editors/neovim/lint/run

format-lua: ## format the Neovim plugin
	@editors/neovim/lint/run --fix

format: $(VENV)/ready ## format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

$(REFERENCE_VENV)/ready: pyproject.toml constraints/reference.txt | python-ok
	@echo "Setting up $(REFERENCE_VENV): optimum, an old transformers and CTranslate2, about 600 MB to download."
	@rm -rf $(REFERENCE_VENV)
	@$(PYTHON) -m venv $(REFERENCE_VENV)
	@$(REFERENCE_VENV)/bin/python -m pip install $(PIP_FLAGS) -c constraints/reference.txt -e '.[reference]'
	@touch $@

reference: $(REFERENCE_VENV)/ready ## set up the other runtimes that `cg2ls bench --against` measures

bench: $(VENV)/ready $(REFERENCE_VENV)/ready ## compare the speed with optimum and CTranslate2
	@$(BIN)/cg2ls bench --reference-shape --against optimum,ctranslate2 --rounds 9 \
	  --reference-python $(REFERENCE_VENV)/bin/python

clean: ## remove the environments
	rm -rf $(VENV) $(DEMO_VENV) $(REFERENCE_VENV)
