# `make` explains itself. Nothing needs to be prepared: each target sets up what it uses.
#
# node_modules/.bin/node is Node 24, whatever the machine has: it comes with the package `node`. Its
# install script must run for that; npm 11 and later ask the user about install scripts, unless
# package.json has them in `allowScripts`. Any Node that can run npm is enough to begin with.

export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# For `make chaos`; the defaults are in __tests__/chaos/main.ts.
export N SEED ROUND PLACES
# For `make bench` (its cases) and `make test` (its steps).
export ONLY

# A file in node_modules, so that it is gone when they are.
READY := node_modules/.ready

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): package.json package-lock.json .npmrc
	@# At error level, since the Node that begins may be older than 24 and npm would warn of it.
	npm ci --loglevel=error
	@[[ "$$(node --version)" == v24.* ]] || { echo "node_modules/.bin/node is not Node 24" >&2; exit 1; }
	@touch $@

.PHONY: setup
setup: $(READY) ## Install Node 24 and all packages (once)

.PHONY: build
build: setup ## Build dist/ from src/: to be committed with it
	@npm run --silent generate
	@npm run --silent build

.PHONY: format
format: setup ## Fix what eslint and prettier can
	@npm run --silent format

.PHONY: lint
lint: setup ## eslint and prettier
	@npm run --silent lint

.PHONY: typecheck
typecheck: setup ## The types of src, tests and scripts
	@npm run --silent typecheck

.PHONY: unit
unit: setup ## Unit tests: no cluster, half a minute
	@npm run --silent unit

.PHONY: watch
watch: setup ## Unit tests again at each saved file: those of what has changed
	@npm run --silent watch

.PHONY: model
model: setup ## Explore the protocol of lock and record (docs/protocol.md); ALL=1 for all scenes
	@npm run --silent model -- $(if $(ALL),--all)

.PHONY: check
check: lint typecheck ## All static checks: lint, types, generated files, dist
	@npm run --silent check:generated
	@npm run --silent check:dist

.PHONY: lint-workflows
lint-workflows: setup ## actionlint and zizmor over all workflow and action files
	@node scripts/lint-workflows.mjs

.PHONY: test
test: setup ## Everything: static checks, unit tests, a browser, a real Kubernetes, workflow runs
	@node scripts/test.mjs

.PHONY: chaos
chaos: setup up ## Interrupt N=20 random releases (SEED=… ROUND=17 repeats one)
	@node --import ./scripts/typescript.mjs __tests__/chaos/main.ts

.PHONY: test-long
test-long: N := 200
test-long: all-plays chaos ## What takes hours: every play, 200 rounds of chaos, and the tests in __tests__/long
	@npm run --silent long

# The end-to-end tests with those that `make test` leaves out (__tests__/support/seldom.ts).
.PHONY: all-plays
all-plays: setup up
	@cluster/stack tools act jq busybox >/dev/null
	@PLAY=all npm run --silent e2e

.PHONY: bench
bench: setup up ## Compare with scripts and helm (docs/benchmarks.md; ONLY=bad-tag,pipeline-warm)
	@node --experimental-transform-types --disable-warning=ExperimentalWarning \
	  --import ./scripts/typescript.mjs __tests__/bench/main.ts

.PHONY: demo
demo: setup up ## Release the example shop on the local stack, break it, watch the undo
	@scripts/demo

.PHONY: up
up: ## Start the local stack: container engine, registry, Kubernetes
	@cluster/stack up

.PHONY: down
down: ## Stop the local stack
	@cluster/stack down

.PHONY: clean
clean: ## Remove what was installed and built here (dist/ is committed and stays)
	rm -rf node_modules build
