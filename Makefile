# Two commands matter: `make demo` (the main job, for your eyes) and `make test` (everything that must hold).
# Both install what they need: a virtual environment in .venv, and for the tests some Debian programs to talk to.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OUT ?= demo-out
FUZZ_ROUNDS ?= 200000
SOAK_MINUTES ?= 30

.PHONY: demo test peers lint bench fuzz fuzz-quick soak clean
.DELETE_ON_ERROR:

demo: $(STAMP)
	$(BIN)/abusewatch demo --out $(OUT)

test: peers lint fuzz-quick
	$(BIN)/pytest -n auto -rs -m "not fuzz"

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: $(STAMP) peers
	$(BIN)/python -m benchmarks

fuzz: $(STAMP)
	ABUSEWATCH_FUZZ_ROUNDS=$(FUZZ_ROUNDS) $(BIN)/pytest -n auto -m fuzz

fuzz-quick: $(STAMP)
	ABUSEWATCH_FUZZ_ROUNDS=2000 $(BIN)/pytest -q -n auto -m fuzz

soak: $(STAMP)
	$(BIN)/python -m benchmarks.soak --minutes $(SOAK_MINUTES)

clean:
	rm -rf $(VENV) $(OUT) fuzz-out build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

# The programs are the system's, not the checkout's: asked for every time, which costs nothing when they are there.
peers:
	@sh .ci/peers

$(STAMP): pyproject.toml .ci/venv .ci/apt
	@sh .ci/venv $(VENV)
	@touch $@
