# On a fresh machine with Python 3.11+ and make, each target does its own set-up in .venv.
PYTHON ?= python3
# From the command line, or what .env says.
PORT ?= $(or $(shell sed -n 's/^PORT=\([0-9]*\).*/\1/p' .env 2> /dev/null),8000)
BIN := .venv/bin
INSTALL := install --quiet --disable-pip-version-check
# A virtual environment, with a pip that takes a third of the time of the one that comes with Python 3.11. The pip of
# $(PYTHON) puts it there in a quarter of the time that venv takes for its own; without a pip, venv does.
NEW_PIP := $(INSTALL) --no-compile pip==26.3
venv = { $(PYTHON) -m venv --without-pip $1 && $(PYTHON) -m pip --python $1/bin/python $(NEW_PIP); } > /dev/null 2>&1 \
	|| { $(PYTHON) -m venv --clear $1 && { $1/bin/pip $(NEW_PIP) || true; }; }
# Python may keep what it has compiled, also where that is switched off: the targets start it again and again.
export PYTHONDONTWRITEBYTECODE :=
TEST_ENV := DEBUG=on SECRET_KEY=not-secret PYTHON_DOTENV_DISABLED=1

# Each process has a database and files of its own.
CORES := $(shell $(PYTHON) -c "import os; print(os.cpu_count() or 1)")
PYTEST := $(BIN)/python -m pytest -q --numprocesses
# Two more than cores, for the files that mostly wait (WAITING in tests/conftest.py); those on SQLite do not.
PYTEST_ALL := $(PYTEST) $(shell expr $(CORES) + 2)

.PHONY: help demo run test test-postgresql test-sqlite test-airflow fuzz coverage lint format messages screenshots bench restore-drill rehearsal mutants secrets audit image clean

help:
	@echo "make demo    the site with invented songs, on http://127.0.0.1:8000/"
	@echo "make run     the site with your own Spotify app, set in .env"
	@echo "make test    the tests, on PostgreSQL, and those about the database on SQLite too"
	@echo "make fuzz    many invented requests to the addresses for programs (minutes; EXAMPLES=1000 SEED=1)"
	@echo "make test-airflow  the DAG in a real Airflow, which it installs into .venv-airflow (once, 300 MB)"
	@echo "make coverage  the tests once, and what of the code they reach"
	@echo "make lint    style, types, missing migrations and the GitHub workflows"
	@echo "make format  rewrites the code in the project's style"
	@echo "make messages     extracts the texts for translation (needs gettext)"
	@echo "make screenshots  takes the pictures of the README (needs Chromium)"
	@echo "make bench        measures the service as in production (needs wrk; eight minutes)"
	@echo "make restore-drill  proves that a backup brings the site back (yours: DUMP=FILE)"
	@echo "make rehearsal    a round for LISTENERS=10000 by WORKERS=2, with trouble (needs wrk and redis-server)"
	@echo "make mutants      changes the code a little, and names what no test notices (hours)"
	@echo "make secrets looks for committed secrets"
	@echo "make audit   looks for committed secrets and for packages with known vulnerabilities"
	@echo "make image   builds the Docker image"
	@echo "make clean   deletes .venv and what tools left behind"

demo: .venv/installed
	@$(TEST_ENV) $(BIN)/python manage.py demo --port $(PORT)

run: .venv/installed .env
	@$(BIN)/python manage.py migrate --verbosity 0 --skip-checks
	@PORT=$(PORT) DJANGO_RUNSERVER_HIDE_WARNING=true $(BIN)/python manage.py runserver 127.0.0.1:$(PORT)

# Both at once: the one uses what the other leaves of the processor.
test: .venv/installed-test
	@$(MAKE) --no-print-directory --jobs=2 test-postgresql test-sqlite

test-postgresql: .venv/installed-test
	$(PYTEST_ALL)

# Its output comes at once, when it ends.
test-sqlite: .venv/installed-test
	@output=$$(TEST_DATABASE_URL=sqlite $(PYTEST) 0 -m database $$(grep -rl --include='test_*.py' mark.database tests) 2>&1); \
	code=$$?; printf "\nOn SQLite:\n%s\n" "$$output"; exit $$code

EXAMPLES ?= 500
SEED ?= $(shell date +%s)
fuzz: .venv/installed-test
	FUZZ_EXAMPLES=$(EXAMPLES) FUZZ_SEED=$(SEED) $(BIN)/python -m pytest -q -k schemathesis tests/api/test_running_site.py

test-airflow: .venv/installed-test .venv-airflow/installed
	$(BIN)/python -m pytest -q tests/airflow/outcomes.py

coverage: .venv/installed-dev
	$(PYTEST_ALL) --cov --cov-report=term

lint: .venv/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(TEST_ENV) $(BIN)/mypy .
	$(BIN)/lint-imports --no-logo
	$(TEST_ENV) $(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/zizmor --quiet --offline --strict-collection .

format: .venv/installed-dev
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

messages: .venv/installed-dev
	$(TEST_ENV) $(BIN)/python manage.py makemessages --all --no-location --no-wrap --ignore '.venv*' --ignore tests --ignore simulator --ignore mutants
	$(TEST_ENV) $(BIN)/python manage.py compilemessages --ignore '.venv*'

screenshots: .venv/installed-test
	REQUIRE_BROWSER=1 $(BIN)/python -m pytest -q tests/browser/screenshots.py

bench: .venv/installed-test
	@$(BIN)/python -W ignore -m bench.run

# The invented passwords of the tests and examples are plain words.
secrets: .venv/installed-dev
	git ls-files -z | xargs -0 $(BIN)/detect-secrets-hook --exclude-secrets '^[a-z,]+( [A-Z]?[a-z,]+)* ?$$' \
		--exclude-secrets '^(PASSWORD|hunter2|demo-secret|real-secret)$$'

audit: secrets
	@PATH="$(BIN):$$PATH" $(BIN)/python -m bench.audit

restore-drill: .venv/installed-test
	@$(BIN)/python -W ignore -m bench.restore_drill $(DUMP)

LISTENERS ?= 10000
WORKERS ?= 2
rehearsal: .venv/installed-test
	@$(BIN)/python -W ignore -m bench.rehearsal $(LISTENERS) $(WORKERS)

# Where a test fails, mutmut's own last words say which.
mutants: .venv/installed-dev
	@mkdir -p mutants
	@TEST_DATABASE_URL=memory nice -n 19 $(BIN)/mutmut run --max-children 2 > mutants/log 2>&1 \
		|| { tail -n 20 mutants/log; exit 1; }
	@$(BIN)/mutmut results | cut -d: -f1 | xargs -r -n1 $(BIN)/mutmut show | grep '^[-+#]' | grep -v '^[-+][-+]'

image:
	docker build -t spotify-top .

clean:
	rm -rf .venv .venv-airflow mutants staticfiles .mypy_cache .ruff_cache .pytest_cache .coverage

.env:
	@umask 077 && sed "s|^SECRET_KEY=$$|SECRET_KEY=$$($(PYTHON) -c 'import secrets; print(secrets.token_urlsafe(50))')|" .env.example > .env
	@echo "Made .env with a new SECRET_KEY. The site will show how to get the Spotify credentials that belong in it."

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Top Twenty needs Python 3.11 or newer; name one with: make PYTHON=python3.13 ...")'
	@$(call venv,.venv) || { rm -rf .venv; echo "Python has no venv module here: install it (Debian: apt install python3-venv)." >&2; exit 1; }

.venv/installed: requirements.txt | .venv/bin/python
	@echo "Installing what the site needs (once)..."
	@$(BIN)/pip $(INSTALL) -r requirements.txt
	@touch $@

# The tests import a fraction of it. Collecting them compiles that, once instead of in each of their processes; what is
# wrong with one of them is told when they run.
.venv/installed-test: requirements.txt requirements-queue.txt requirements-test.txt | .venv/bin/python
	@echo "Installing what the site and its tests need (once)..."
	@$(BIN)/pip $(INSTALL) --no-compile -r requirements-test.txt
	@TEST_DATABASE_URL=memory $(BIN)/python -m pytest -q --collect-only > /dev/null 2>&1 || true
	@touch .venv/installed $@

.venv/installed-dev: requirements-dev.txt .venv/installed-test
	@echo "Installing what looks at the code (once)..."
	@$(BIN)/pip $(INSTALL) -r requirements-dev.txt
	@touch $@

.venv-airflow/installed: deploy/airflow/requirements.txt
	@echo "Installing Airflow (once)..."
	@$(call venv,.venv-airflow)
	@.venv-airflow/bin/pip $(INSTALL) -r deploy/airflow/requirements.txt
	@touch $@
