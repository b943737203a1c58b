# Bellwire. `make demo` and `make test` are all a newcomer needs; `make help` lists the rest.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
CLIENT_SOURCES := $(shell find browser_client/src browser_client/legacy browser_client/dashboard -type f) \
	$(wildcard browser_client/*.mjs browser_client/*.json) LICENSE
TOOLS := sam ministack checkov
TOOL_DIR := .tools
ARGS ?=
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help demo test test-engines check bench rehearse build soak soak-client fuzz format lock template clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 13

demo: .installed-service browser_client/dist/stamp ## start the whole service here; ARGS go to `bellwire dev`
	@exec $(BIN)/bellwire dev $(ARGS)

test: .installed-develop .tools/sam/.installed browser_client/dist/stamp .installed-test-clients .installed-chromium .installed-mosquitto ## all tests but those of the next target
	$(BIN)/pytest -n 2 --dist loadfile
	npm test --silent

test-engines: .installed-develop browser_client/dist/stamp .installed-engines ## the client in Firefox and WebKit too; Linux only
	$(BIN)/pytest -m engines tests/engines

rehearse: .installed-develop .tools/sam/.installed .tools/ministack/.installed browser_client/dist/stamp .installed-chromium ## the stack on a local AWS, with what goes wrong; ARGS=--short for a few minutes
	PYTHONPATH=tests $(BIN)/python -m rehearsal $(ARGS)

soak: .installed-develop ## random histories of the log for SOAK_MINUTES=10
	PYTHONPATH=tests $(BIN)/python -m backend.histories.soak

soak-client: .installed-client ## random histories of the browser client on all cores; ARGS=1000000 of them
	npm run --silent soak -- $(ARGS)

fuzz: .installed-develop ## random bytes, guided by coverage, each target for FUZZ_SECONDS=60; Linux only
	@$(PIP) install $$($(BIN)/python -c \
		'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["fuzz"])')
	@for target in decoder publishing signatures policies identity; do \
		FUZZ_SECONDS=$(FUZZ_SECONDS) PYTHONPATH=tests $(BIN)/python -m fuzz.$$target || exit 1; done

check: .installed-develop .installed-client .tools/sam/.installed .tools/checkov/.installed ## format, lint, types, layers, template
	$(BIN)/ruff format --check backend infra tests
	$(BIN)/ruff check backend infra tests
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(TOOL_DIR)/sam/bin/cfn-lint infra/aws/template.yaml
	$(TOOL_DIR)/checkov/bin/python -m checkov.main --config-file infra/aws/.checkov.yaml --file infra/aws/template.yaml
	npm run --silent check

bench: .installed-develop browser_client/dist/stamp .installed-chromium .installed-mosquitto .installed-peers .tools/sam/.installed ## measure and print the figures README quotes; ARGS="--only PART…" for some
	PYTHONPATH=tests $(BIN)/python -m benchmarks $(ARGS)

format: .installed-develop .installed-client ## rewrite the sources in house format
	$(BIN)/ruff format backend infra tests
	$(BIN)/ruff check --fix backend infra tests
	npx --no-install biome check --write

lock: ## resolve the dependencies anew (needs uv)
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header pyproject.toml --extra local --group build -o requirements/service.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header pyproject.toml --extra lambda --extra local --extra postgres \
		--group build --group dev -o requirements/develop.lock
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header pyproject.toml --extra lambda -o requirements/lambda.lock
	for tool in $(TOOLS); do uv pip compile --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header requirements/$$tool.in \
		-o requirements/$$tool.lock || exit 1; done

build: .installed-develop browser_client/dist/stamp .tools/sam/.installed ## the wheel and the npm tarball into dist/, the functions' packages into infra/aws/.aws-sam
	$(BIN)/python -m hatchling build -d dist
	cd browser_client && npm pack --silent --pack-destination ../dist
	cd infra/aws && SAM_CLI_TELEMETRY=0 $(CURDIR)/$(TOOL_DIR)/sam/bin/sam build

template: .installed-develop ## write infra/aws/template.yaml anew
	PYTHONPATH=infra/aws $(BIN)/python -m bellwire_stack > infra/aws/template.yaml

clean: ## remove whatever the targets above made
	rm -rf $(VENV) $(TOOL_DIR) node_modules tests/node_modules tests/benchmarks/peers/node_modules browser_client/dist browser_client/LICENSE .fuzz .soak .installed-*

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Bellwire needs Python 3.11 or newer; found $$($(PYTHON) --version). Try: make PYTHON=python3.12 demo" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

.installed-service: requirements/service.lock pyproject.toml | $(BIN)/python
	@echo "Installing the service's packages into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements/service.lock
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

.installed-develop: requirements/develop.lock .installed-service
	@echo "Installing the test tools into $(VENV) ..."
	@$(PIP) install --require-hashes -r requirements/develop.lock
	@touch $@

# Each in an environment of its own, since they pin versions of boto3 that exclude each other.
$(TOOL_DIR)/%/.installed: requirements/%.lock | $(BIN)/python
	@echo "Installing $* into $(TOOL_DIR)/$* ..."
	@$(BIN)/python -m venv $(TOOL_DIR)/$*
	@$(TOOL_DIR)/$*/bin/python -m pip --disable-pip-version-check --quiet install \
		--require-hashes --no-deps -r requirements/$*.lock
	@touch $@

.installed-client: package-lock.json
	@node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(Number(major < 20 || (major === 20 && minor < 19)))' || \
		{ echo "Bellwire needs Node 20.19 or newer; found $$(node --version 2>/dev/null || echo none)." >&2; exit 1; }
	@echo "Installing the browser client's build tools into node_modules ..."
	@npm ci --silent --no-audit --no-fund
	@touch $@

.installed-test-clients: tests/package-lock.json .installed-client
	@echo "Installing the clients that the tests run into tests/node_modules ..."
	@cd tests && npm ci --silent --no-audit --no-fund
	@touch $@

.installed-peers: tests/benchmarks/peers/package-lock.json .installed-client
	@echo "Installing the libraries whose size is compared into tests/benchmarks/peers/node_modules ..."
	@cd tests/benchmarks/peers && npm ci --silent --no-audit --no-fund --ignore-scripts
	@touch $@

browser_client/dist/stamp: .installed-client $(CLIENT_SOURCES)
	@npm run --silent build
	@touch $@

.installed-chromium: tests/install.sh
	@sh tests/install.sh chromium "End-to-end tests" "brew install --cask chromium, or Chrome" \
		chromium chromium-browser google-chrome google-chrome-stable \
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
	@touch $@

.installed-mosquitto: tests/install.sh
	@sh tests/install.sh mosquitto "Comparisons" "brew install mosquitto" mosquitto
	@touch $@

.installed-engines: tests/install.sh
	@test "$$(uname)" = Linux || { echo "WebKit's own browser is for Linux only; found $$(uname)." >&2; exit 1; }
	@sh tests/install.sh firefox-esr "Tests of other engines" - firefox-esr firefox
	@sh tests/install.sh libwebkit2gtk-4.1-0 "Tests of other engines" - /usr/lib/*/webkit2gtk-4*/MiniBrowser
	@sh tests/install.sh xvfb "Tests of other engines" - Xvfb
	@touch $@
