# Everything a person or a CI runs, by one name. Needs Python 3.11 to 3.13, pip, git and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
RUN    := $(VENV)/.installed-to-run
# Two processes, a file of tests in one of them, in the order of tests/conftest.py: what takes longest comes first.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder

# Bytecode makes every later import two to three times faster.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install provider pictures demo demo-live check test coverage mutants faults lint types security audit guard reference house docs dist up clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	touch $(STAMP) $(RUN)

# What a user needs, without the tools of a developer.
$(RUN): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null || true
	touch $(RUN)

# The provider of OpenID Connect that people sign in at in tests; it needs node and npm.
PROVIDER := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/pynomaly/provider
provider:
	mkdir -p $(PROVIDER)
	cp tests/console/provider/package.json tests/console/provider/package-lock.json $(PROVIDER)
	npm ci --prefix $(PROVIDER) --no-audit --no-fund --loglevel=error

# The pictures of docs/console.md, in the browser of the tests; CONSOLE=http://127.0.0.1:4300 takes them of a console
# that runs, as over the pipelines of the demo.
pictures: install
	$(BIN)/pytest -q tests/console/test_pictures.py --pictures docs/pictures $(if $(CONSOLE),--pictures-of $(CONSOLE))

demo: $(RUN)
	$(BIN)/pynomaly demo

# A fleet sends rows through the broker in this process; alerts appear, the regime shifts, the champion changes.
demo-live: $(RUN)
	$(BIN)/pynomaly demo --live

# Less than two minutes on two cores: before every commit. `make test` runs the rest too.
check: install lint types security
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not slow and not server and not flow"

# Half of the tests wait for servers and children: two processes keep two cores busy.
test: install
	$(BIN)/pytest $(SIDE_BY_SIDE)

# Branch coverage of every test, child processes included; half as long again as `make test`. `MARKS` narrows it.
coverage: install
	rm -rf out/coverage && mkdir -p out/coverage
	$(BIN)/coverage run -m pytest $(SIDE_BY_SIDE) $(if $(MARKS),-m "$(MARKS)")
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# Changes the code of judging/ in small ways and runs the quick tests that reach each change: which one does no test
# notice? A sample of 25 mutants of each module takes five to ten minutes of one core, SAMPLE=1000 (all) an hour or two;
# ARGS="--survivors" asks again about those that none noticed, ARGS="--seed 1" about others.
mutants: install
	$(BIN)/python .ci/mutants.py $(if $(SAMPLE),--sample $(SAMPLE)) $(ARGS)

# Kills every step of the life cycle at every write it makes and at random instants, and runs it again; stops servers,
# fills disks, lets many write at once (docs/reliability.md): about an hour.
faults: install
	PYNOMALY_KILLS=all $(BIN)/pytest tests/faults -s

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

# Reads the code alone: works without a network. What is left out, and why: pyproject.toml.
security: install
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive pynomaly tasks flows .ci

# Asks a service on the network about the installed packages; says so where it cannot. CI does not depend on it.
audit: install
	$(BIN)/python .ci/audit.py

# The whole demo, every connection and look-up of a name noted; one beyond this machine is refused and fails it.
guard: install
	rm -rf out/guard && mkdir -p out/guard/notes
	PYTHONPATH=$(CURDIR)/tests/security/guard PYNOMALY_GUARD=$(CURDIR)/out/guard/notes \
		$(BIN)/pynomaly demo --home out/guard/home
	@cat out/guard/notes/* | cut -d' ' -f1-3 | sort | uniq -c
	@! grep -h '^FAR' out/guard/notes/*

# The pages that are written from the code: settings, detectors, the picture of the architecture.
reference: install
	$(BIN)/python .ci/reference.py

# Where the house drifts: names of one word, participles, long parameter lists, full folders. Fails nothing.
house: install
	$(BIN)/python .ci/house.py

# The guides as pages that open without a server: out/site/index.html. A warning is an error.
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# What a release publishes: wheel, sdist, and an SBOM of the wheel with all that its installation brings (out/dist).
dist:
	rm -rf out/dist out/tools out/wheel
	$(PYTHON) -m venv out/tools
	out/tools/bin/pip install --quiet --disable-pip-version-check 'build>=1.2,<2' 'cyclonedx-bom>=7,<8'
	out/tools/bin/python -m build --outdir out/dist .
	$(PYTHON) -m venv out/wheel
	out/wheel/bin/pip install --quiet --disable-pip-version-check -c constraints.txt out/dist/*.whl
	out/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file out/dist/pynomaly-mlops.cdx.json out/wheel/bin/python

up: $(RUN)
	$(BIN)/pynomaly up

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache mutants
