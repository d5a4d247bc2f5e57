.DEFAULT_GOAL := help
.PHONY: help build run test test-unit check format bench dashboards wheel clean

BIN := .venv/bin
READY := .venv/.ready
C_SOURCES = find src tests benchmarks \( -name '*.bpf.[ch]' -o -path '*/labtool/*.[ch]' -o -path '*/programs/*.[ch]' \) -print0
# Arguments of one's own: make test ARGS="-k files"
ARGS ?=

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

build: $(READY) ## a working .venv/bin/eunomia, BPF programs compiled
	@scripts/install.sh build run
	@$(BIN)/python build_bpf.py

run: build ## watch this machine's processes for 15 seconds
	scripts/as-root.sh $(BIN)/eunomia run process -T 15

test: build ## every test: installs what they need, runs as root
	@scripts/install.sh test
	scripts/as-root.sh scripts/test.sh $(BIN)/python $(ARGS)

test-unit: build ## the quick tests, which need neither root nor a kernel
	$(BIN)/python -m pytest -m "not kernel and not docker and not guest" $(ARGS)

check: $(READY) ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(C_SOURCES) | xargs -0r $(BIN)/clang-format --dry-run --Werror

format: $(READY) ## put everything into the house format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	$(C_SOURCES) | xargs -0r $(BIN)/clang-format -i

bench: build ## measure the cost, next to other tools
	@scripts/install.sh bench
	scripts/as-root.sh $(BIN)/python -m benchmarks $(ARGS)

dashboards: $(READY) ## write the Grafana dashboards from their source
	$(BIN)/python -m deploy.grafana.source

wheel: build ## dist/*.whl
	$(BIN)/hatchling build -t wheel

clean: ## remove everything that was built
	rm -rf .venv build dist .*_cache .hypothesis __pycache__
	find src tests benchmarks -name '*.bpf.o' -exec rm {} +
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
	@[ ! -e .cache ] || scripts/as-root.sh rm -rf --one-file-system .cache

# Dependencies are installed again when pyproject.toml has changed. No build isolation: hatchling is a dev tool already.
$(READY): pyproject.toml
	@scripts/install.sh build run
	"$$(scripts/python.sh)" -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install -q --disable-pip-version-check --group dev
	$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation -e .
	@touch $@
