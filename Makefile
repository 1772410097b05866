# Forage: `make` builds, `make test` runs the tests, `make demo` runs the main job on real input.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
SWIFT ?= swift
PREFIX ?= /usr/local
FORAGE := .build/release/forage
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: build static test nightly demo setup lint format bench attack install manual clean

build: setup
	$(SWIFT) build -c release --product forage

# A program that needs no Swift on the machine that it runs on, only Debian's libraries (see Examples/deploy). The flag
# changes how everything is compiled, hence a folder of its own.
static: setup
	$(SWIFT) build -c release --product forage --static-swift-stdlib --scratch-path .build-static
	install -D -s -m 755 .build-static/release/forage dist/forage

test: setup
	$(SWIFT) build --build-tests
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	$(SWIFT) test --skip-build --disable-xctest --no-parallel 2>&1 | tee "$$log" \
	    || { status=$$?; echo; echo "What failed:"; grep -A 4 -E "✘|Fatal error|Illegal|error:" "$$log"; exit $$status; }
	python3 Tests/Attack/attack.py .build/debug/forage --build debug --seconds 60

# What is too long for every change: the tests with real models, which are fetched (a suite that is skipped fails), and the
# attack for an hour.
nightly: build
	$(FORAGE) model pull minilm
	$(FORAGE) model pull smollm2
	$(SWIFT) build --build-tests
	@log=$$(mktemp); trap 'rm -f "$$log"' EXIT; \
	$(SWIFT) test --skip-build --disable-xctest --no-parallel 2>&1 | tee "$$log" || exit 1; \
	! grep -iE "(suite|test) .* skipped.*(model|minilm|smollm)" "$$log"
	$(MAKE) attack

# From a corpus to a cited answer: indexes 1,000 Wikipedia passages and answers a question over two of them.
demo: build
	$(FORAGE) model pull minilm
	$(FORAGE) index Examples/hotpotqa/corpus.jsonl --output hotpot.forage
	$(FORAGE) ask --corpus hotpot.forage "Which magazine was started first, Arthur's Magazine or First for Women?"

# Installs the system libraries that Debian has and the build needs. Swift 6.2 or later must be there.
setup:
	@command -v $(SWIFT) >/dev/null || { echo "Swift 6.2 or later is needed: https://www.swift.org/install/linux"; exit 1; }
	@.ci/libraries

lint:
	$(SWIFT) format lint --strict --parallel --recursive Sources Tests Package.swift

format:
	$(SWIFT) format -i --parallel --recursive Sources Tests Package.swift

# The comparison with the alternatives in one run; with BENCH="--passages 1000000 --vectors 1000000" at a million. Needs Python with what Sources/Benchmarks/peers/requirements.txt names.
bench: setup
	$(SWIFT) build -c release --product ForageBenchmarks
	mkdir -p runs/bench
	python3 Sources/Benchmarks/peers/table.py .build/release/ForageBenchmarks runs/bench --texts Examples/hotpotqa/corpus.jsonl --questions Examples/hotpotqa/questions.jsonl $(BENCH)

# Attacks the built program on loopback for an hour: routes, raw requests, mutated bodies and corpora, bombs, load, shutdown.
attack: build
	python3 Tests/Attack/attack.py $(FORAGE) --seconds 3600 $(ATTACK)

install: build
	install -D -m 755 $(FORAGE) $(DESTDIR)$(PREFIX)/bin/forage
	install -d $(DESTDIR)$(PREFIX)/share/forage/Policies
	install -m 644 Policies/* $(DESTDIR)$(PREFIX)/share/forage/Policies
	install -D -m 644 Examples/deploy/forage.1 $(DESTDIR)$(PREFIX)/share/man/man1/forage.1
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/share/zsh/site-functions \
	    $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
	$(FORAGE) --generate-completion-script bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/forage
	$(FORAGE) --generate-completion-script zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_forage
	$(FORAGE) --generate-completion-script fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/forage.fish

# The manual page, from the commands' own help.
manual: build
	python3 Examples/deploy/make_manual.py $(FORAGE) > Examples/deploy/forage.1

clean:
	rm -rf .build .build-static dist
