# make install   create .venv from requirements.lock, prepare the face, fetch the language model
# make run       open Kai in the browser            (more options: make run ARGS="--server.port 8600")
#                the face and the model get ready beside it
# make test      all tests but the long ones        (some of them:  make test ARGS="-k mute")
# make check     format, lint, types, rooms and unit tests; under a minute
# make long      the tests that take minutes
# make bench     the figures of this machine
# make clean     remove .venv and what the tools left
# make lock      write both locks and THIRD_PARTY_NOTICES.md anew after a change of requirements

# The first of these that is 3.11 or 3.12; asked for its version, since a name alone may be an empty shim.
PYTHON ?= $(shell for p in python3 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null && echo $$p && exit; \
	done; echo python3)
PY := .venv/bin/python
# The quick ones first.
ROOMS := $(wildcard tests/unit tests/contract tests/loopback tests/ui tests/browser)
UV := uv==0.13.9

# One thread an engine: more of them spin and slow each other down on two cores.
export OMP_NUM_THREADS ?= 1
export PYTHONUTF8 ?= 1

.PHONY: install run tools browser test format lint rooms types check long bench clean lock
.DEFAULT_GOAL := run

install:
	@$(PYTHON) tools/install.py

run:
	@$(PYTHON) tools/install.py --packages
	@KAI_FETCH_MODEL=$${KAI_FETCH_MODEL:-1} exec $(PY) -m streamlit run streamlit_app.py $(ARGS)

# What tests and checks alone need.
tools:
	@$(PYTHON) tools/install.py --packages --dev

browser: tools
	@$(PY) tools/get_browser.py

test: tools install browser
	@$(PY) tools/run_tests.py $(ARGS)

format: tools
	@$(PY) -m ruff format --check .

lint: tools
	@$(PY) -m ruff check .

rooms: tools
	@.venv/bin/lint-imports

types: tools
	@$(PY) -m pyright

check: format lint rooms types
	@$(PY) -m pytest -q -m "not long" tests/unit $(ARGS)

long: tools install browser
	@$(PY) -m pytest -m long $(ROOMS) $(ARGS)

bench: tools install browser
	@$(PY) -m kai.bench $(ARGS)

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis .import_linter_cache artifacts
	find kai pages tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

lock: tools
	@rm -rf .venv/lock && $(PY) -m venv .venv/lock && .venv/lock/bin/python -m pip install -q $(UV)
	@.venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-build \
		--no-header --no-emit-index-url --no-emit-find-links -o requirements.lock requirements.txt
	@.venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-build \
		--no-header --no-emit-index-url --no-emit-find-links -c requirements.lock -o requirements-dev.lock requirements-dev.txt
	@$(PYTHON) tools/install.py --packages --dev
	@$(PY) tools/notices.py
