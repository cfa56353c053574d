# What a person types. Each does its whole set-up: on a fresh Debian, as root, git, make
# and the package registries are enough; elsewhere Python >= 3.11 and Docker have to be there.
# Node.js, for the clients and examples in JavaScript, comes from PyPI where there is none (>= 20) with
# npm: 9 seconds, where Debian's packages of it are 460 and take 90.

VENV := .venv
PYTHON := $(VENV)/bin/python

# How long `make fuzz` goes on.
FUZZ_SECONDS := 60

# Kept, whatever the machine has set: the tests start Python some thousand times.
export PYTHONDONTWRITEBYTECODE :=

# Of the soak: in which order all fails (another each time), and how long faults begin.
MESSAGES := 50000
SEED :=
MINUTES := 60

.PHONY: help up down test images rewritten lint sbom reliability soak bench bench-test-target bench-junk fuzz
.SILENT:

help:
	echo 'make up     build Signpost, start it and show its log'
	echo 'make down   stop it; its mail and keys are kept'
	echo 'make test   ruff, mypy, hadolint, and every test, those of the running image too'
	echo 'make lint   ruff, mypy and hadolint only'
	echo 'make sbom   what is in the image, as CycloneDX, into build/sbom.cdx.json; IMAGE=… for another one'
	echo 'make reliability  the long faults: load, restarts, full disks, hung parts; about three hours'
	echo 'make soak   50,000 messages while everything fails that can fail, MESSAGES=…, SEED=…, MINUTES=60; then a table'
	echo 'make bench  what filters, mailboxes, a start and the whole way cost, into bench/results.md; 20 minutes, four with QUICK=1'
	echo 'make bench-test-target  the same for MODE=test, beside MailDev and aiosmtpd; ten minutes, two with QUICK=1'
	echo 'make bench-junk  how well JUNK_FILTER learns, beside bogofilter and rspamd; and what it costs; ten minutes'
	echo 'make fuzz   hostile bytes for the protocol and the parsers, FUZZ_SECONDS=60'

up:
	tests/engine.sh ensure tests/compose.sh up

# Ends the engine too, if `make up` had to start one and nobody else uses it.
down:
	if docker info >/dev/null 2>&1; then tests/compose.sh down; fi
	tests/engine.sh stop

# An engine that is started for the tests ends with the last of them, unless somebody has started
# containers meanwhile. Nothing is printed after pytest's summary. The images are built while what
# needs none is looked at and tested: whoever needs one builds it again, from what there is by then.
test: $(VENV)/.complete $(VENV)/.node $(VENV)/.chromium $(VENV)/.bogofilter
	tests/engine.sh run sh -c '$(MAKE) --silent images >/dev/null 2>&1 & \
		$(MAKE) --silent --jobs lint rewritten && \
		$(PYTHON) -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder; \
		status=$$?; wait; exit $$status'

# A failure is said by the tests that need the image.
images:
	-docker build --output type=cacheonly tests/container/peers
	-docker build --output type=cacheonly .

# pytest keeps what it makes of each test's asserts: once, and not in each process at the same time.
rewritten: $(VENV)/.complete
	$(PYTHON) -m pytest --collect-only --quiet >/dev/null 2>&1 || true

# The long forms of what `make test` runs for some seconds each, one after the other.
reliability: $(VENV)/.complete $(VENV)/.bogofilter
	tests/engine.sh run $(PYTHON) -m pytest -m reliability tests/bench tests/container tests/entrypoint

# In containers of its own, which end with it, interrupted or not. OUTPUT=FILE gets the table, too.
soak: $(VENV)/.complete
	tests/engine.sh run $(PYTHON) -m tests.soak --messages $(MESSAGES) --minutes $(MINUTES) \
		$(if $(SEED),--seed $(SEED)) $(if $(OUTPUT),--output $(OUTPUT))

lint: $(VENV)/.complete
	$(PYTHON) -m ruff check --quiet .
	$(PYTHON) -m mypy
	$(VENV)/bin/hadolint Dockerfile

# Of the image that this checkout builds, unless another is named.
sbom: $(VENV)/.complete
	mkdir -p build && tests/engine.sh run deploy/sbom.sh $(PYTHON) build/sbom.cdx.json $(IMAGE)

# Everything runs in containers without a network, and ends with them.
bench:
	BENCH_COMMAND='make bench$(if $(QUICK), QUICK=$(QUICK))' \
		tests/engine.sh run bench/run $(if $(QUICK),--quick)

# In containers of its own, which end with it. A page that is not whole replaces none.
bench-test-target: $(VENV)/.complete
	new=$$(mktemp) && trap 'rm -f "$$new"' EXIT && \
	BENCH_COMMAND='make bench-test-target$(if $(QUICK), QUICK=$(QUICK))' \
		tests/engine.sh run $(PYTHON) -m bench.test_target $(if $(QUICK),--quick) >"$$new" && \
	cat "$$new" $(if $(QUICK),,&& cp "$$new" bench/results-test-target.md)

# In containers without a network, which end with it. Where npm reaches its registry, with real mail, too.
bench-junk: $(VENV)/.node
	PATH="$$PWD/$(VENV)/bin:$$PATH" tests/engine.sh run bench/junk/run

# What it finds is kept in tests/fuzz/findings, where the tests run it from then on.
fuzz: $(VENV)/.fuzz
	$(PYTHON) -m tests.fuzz.fuzz_protocol -max_total_time=$(FUZZ_SECONDS) -verbosity=0 \
		-print_final_stats=1

$(VENV)/.fuzz: requirements/fuzz.txt $(VENV)/.complete
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

$(VENV)/.node: requirements/node.txt $(VENV)/.complete
	{ npm --version && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)'; } >/dev/null 2>&1 || \
		$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

$(VENV)/.complete: requirements/dev.txt
	python3 -c 'import ensurepip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ apt-get update -qq && apt-get install -qq -y --no-install-recommends python3 python3-venv; }
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

# For the tests of the junk filter that need no container: a megabyte, three seconds.
$(VENV)/.bogofilter: $(VENV)/.complete
	command -v bogofilter >/dev/null || { apt-get update -qq && \
		apt-get install -qq -y --no-install-recommends bogofilter-sqlite >/dev/null; }
	touch $@

# A browser for the tests of the page: 86 MB of Debian's, 20 seconds.
$(VENV)/.chromium: $(VENV)/.complete
	for browser in chromium-headless-shell chromium google-chrome; do \
		! command -v $$browser >/dev/null || exit 0; done; apt-get update -qq && \
		apt-get install -qq -y --no-install-recommends chromium-headless-shell \
		fonts-dejavu-core >/dev/null
	touch $@
