# Two commands matter: `make demo` (the main job, for your eyes) and `make test` (everything that must hold).
# Both install what they need: a virtual environment in .venv, and for the tests some Debian programs to talk to.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT ?= demo-out
FUZZ_ROUNDS ?= 200000
QUICK_ROUNDS ?= 2000
FUZZ_SECONDS ?= 15
FUZZ_JOBS ?= $(shell nproc)
SOAK_MINUTES ?= 30

# Bytecode is kept, whatever the shell says: each worker of the tests and each process they start would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test peers lint bench fuzz fuzz-quick fuzzers soak clean
.DELETE_ON_ERROR:

demo: $(STAMP)
	$(BIN)/abusewatch demo --out $(OUT)

test: peers lint fuzzers
	ABUSEWATCH_FUZZ_ROUNDS=$(QUICK_ROUNDS) $(BIN)/pytest -n auto --dist worksteal -rs

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(STAMP) peers
	$(BIN)/python -m benchmarks

# One CPU-hour for each decoder, whatever else the machine does meanwhile; then the mutations of known datagrams, many rounds.
fuzz: $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz --cpu --seconds 3600 --jobs $(FUZZ_JOBS)
	ABUSEWATCH_FUZZ_ROUNDS=$(FUZZ_ROUNDS) ABUSEWATCH_DATAGRAMS=1000000 $(BIN)/pytest -n auto -m fuzz

# What of this `make test` does: each decoder for a short while, then (among all other tests) a few rounds of mutations.
fuzz-quick: fuzzers
	ABUSEWATCH_FUZZ_ROUNDS=$(QUICK_ROUNDS) $(BIN)/pytest -q -n auto -m fuzz

fuzzers: $(VENV)/.fuzz
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) --jobs $(FUZZ_JOBS)

soak: $(STAMP)
	ABUSEWATCH_DATAGRAMS=1000000 $(BIN)/pytest -q tests/sources/test_conservation.py tests/wire/test_conservation.py
	$(BIN)/python -m benchmarks.soak --minutes $(SOAK_MINUTES)

clean:
	rm -rf $(VENV) $(OUT) fuzz-out build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# The programs are the system's, not the checkout's: asked for every time, which costs nothing when they are there.
peers:
	@sh .ci/peers

$(STAMP): pyproject.toml .ci/venv .ci/apt .ci/compile.py $(shell find abusewatch -name "*.px[di]" -o -name "*.pyx")
	@sh .ci/venv $(VENV)
	@touch $@

# The fuzzer is 35 MB that only the tests need, and it has no wheel for every platform: the demonstration does without it.
$(VENV)/.fuzz: $(STAMP) .ci/fuzz
	@sh .ci/fuzz $(VENV)
	@touch $@
