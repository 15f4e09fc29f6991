# Two commands do everything: `make demo` and `make test`. The others are parts of them.
# Nothing is needed but Python 3.11 or newer and make; the testbed's programs are built once and kept outside the checkout.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
# more than cores: half of a test is waiting for a server
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(2 * os.cpu_count() + 2)')
BIN := .venv/bin
READY := .venv/.ready
# bytecode is kept, whatever the shell says: tests start the program some thousand times
unexport PYTHONDONTWRITEBYTECODE
DEMO_READY := .venv/.demo-ready

.DEFAULT_GOAL := help
.PHONY: help demo browser qemu fuzz test test-all test-python lint types contracts docs docs-check testbed bench lock release clean

help:  ## List the commands.
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

$(READY): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer on this machine"; exit 1; }
	@$(call install,requirements/dev.txt)
	@touch $@

# what the demo needs, and no more: a tenth of what the developers' tools take
$(DEMO_READY): requirements/demo.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "error: no Python 3.11 or newer on this machine"; exit 1; }
	@test -e $(READY) || { $(call install,requirements/demo.txt); }
	@touch $@

# everything that is installed has a hash in the repository
define install
	echo "installing into .venv (hashes from $(1)) …" && $(PYTHON) -m venv .venv && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(1) && \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endef

testbed: $(READY)  ## Build etcd, kube-apiserver, kubectl … and the leaking operator (minutes, once).
	@$(BIN)/python -m ghostkey.testing build > /dev/null

demo: $(DEMO_READY)  ## Show the main verbs on a real control plane; KEEP=1 leaves it running.
	@$(BIN)/python -m ghostkey.testing build > /dev/null
	@$(BIN)/python -m demo $(if $(KEEP),--keep)

test: lint types contracts docs-check testbed browser test-python  ## Everything that CI checks.

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .

types: $(READY)
	@$(BIN)/mypy

contracts: $(READY)
	@$(BIN)/lint-imports | tail -n 3

# The page of a story is tested in a real browser: Debian's, where there is none and we may install it.
browser:
	@command -v chromium chromium-browser google-chrome > /dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get > /dev/null && echo "installing chromium …" && \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium > /dev/null; } || \
		echo "no chromium here: its tests will be skipped"

# Programs for arm64 are run and read under qemu: Debian's, too.
qemu:
	@command -v qemu-aarch64-static qemu-aarch64 > /dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get > /dev/null && echo "installing qemu …" && \
		apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends qemu-user-static > /dev/null; } || \
		echo "no qemu here: tests of arm64 will be skipped"

test-python: $(READY)
	@$(BIN)/python -m compileall -q src
	@$(BIN)/pytest -n $(WORKERS)

test-all: lint types contracts docs-check testbed browser qemu  ## The same with every proof at full length (an hour): 1,000 lost answers, 300 kills.
	@$(BIN)/pytest -n $(WORKERS) --all

fuzz: $(READY)  ## Read 325,000 mutated inputs, each within 2 s and 256 MB (ten minutes); SEED=n for others.
	@$(BIN)/python -m tests.fuzz $(if $(SEED),--seed $(SEED))

docs: $(READY)  ## Write the generated parts of README and docs anew.
	@$(BIN)/cog -r -PI . README.md docs/*.md

docs-check: $(READY)
	@$(BIN)/cog --check -PI . README.md docs/*.md

bench: testbed  ## Measure what is claimed, side by side with its peers.
	@$(BIN)/python -m compileall -q src
	@$(BIN)/python -m bench

COMPILE = $(BIN)/uv pip compile --quiet --generate-hashes --universal --no-header --no-annotate --python-version 3.11
lock: $(READY)  ## Choose the newest dependencies and lock them with hashes.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/lock.txt
	@$(COMPILE) pyproject.toml --upgrade --group dev --all-extras -o requirements/dev.txt
	@$(COMPILE) pyproject.toml --upgrade --group install --extra history --extra testing -c requirements/dev.txt -o requirements/demo.txt
	@$(COMPILE) pyproject.toml --upgrade -c requirements/dev.txt -o requirements/image.txt
	@echo uv | $(COMPILE) - --upgrade -o requirements/lock.txt
	@sed 's/ .*//' testbed/go.txt | head -n 1 | $(COMPILE) - --no-deps -o testbed/go.txt

release: $(READY)  ## Make wheel, archive for krew, chart and checksums in dist/; BASE_URL says where they will be.
	@$(BIN)/python -m release $(if $(BASE_URL),--base-url $(BASE_URL))

clean:  ## Remove what was made in the checkout (not the testbed's cache).
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
