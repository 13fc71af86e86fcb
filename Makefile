# Every action, with Docker where an engine answers and without where none does. MODE=native or MODE=docker decides.
ifndef MODE
MODE := $(shell docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1 && echo docker || echo native)
endif

STACK_docker := docker compose
STACK_native := bin/native
STACK_production := bin/prod
STACK := $(STACK_$(MODE))
RUN_docker := docker compose run --rm web
RUN_native := bin/native
RUN_production := bin/prod exec web
RUN := $(RUN_$(MODE))
URL_docker = http://$$(docker compose port web 8000 | sed 's/^0.0.0.0/127.0.0.1/')
URL_native = $$(bin/native url)
URL = $(URL_$(MODE))
$(if $(RUN),,$(error MODE is '$(MODE)'. Expected docker, native or production))
ifeq ($(MODE),production)
$(foreach goal,$(filter up down open share debug reset app add lock install migrations test test-stack test-prod lint format,$(MAKECMDGOALS)),\
	$(error '$(goal)' is not for production. See: make help))
endif

.DEFAULT_GOAL := help
.PHONY: help up down restart logs ps open share debug bash shell dbshell migrate migrations superuser app add lock \
	test test-stack test-prod screenshots lint format check doctor reset \
	backup backups restore restore-undo restore-forget db-password upgrade-db prod-up prod-down deploy rollback releases

help: ## List what there is
	@echo "Mode: $(MODE). MODE=docker, MODE=native or MODE=production behind a target decides otherwise."
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z.-]+:.*## / {printf "  make %-28s %s\n", $$1, $$2}' Makefile

##@ Run

up: ## Build, start, wait until the page answers, say where
ifeq ($(MODE),docker)
	docker compose up --build --wait || { bin/doctor >&2; exit 1; }
	@echo "Running at $(URL)"
else
	bin/native up
endif

down: ## Stop and remove the containers; the database stays
ifeq ($(MODE),docker)
	docker compose --profile '*' down
else
	bin/native down
endif

restart: ## Restart the web service
	$(STACK) restart web

logs: ## Follow the logs
	$(STACK) logs -f

ps: ## Show what runs, and on which ports
	$(STACK) ps

open: ## Open the page in a browser
	@url=$(URL); [ "$$url" != http:// ] || { echo "Nothing runs here. Try: make up" >&2; exit 1; }; \
		xdg-open "$$url" 2>/dev/null || open "$$url" 2>/dev/null || echo "Open $$url"

share: ## Open the page to the local network, with a QR code; make up closes it again
	@bin/share $(MODE) $(LAN_ADDRESS)

debug: ## As up, and an editor can attach to debugpy on port 5678 (.vscode/launch.json)
ifeq ($(MODE),docker)
	docker compose -f compose.yaml -f compose.debug.yaml up --build --wait
else
	bin/native stop web
	DEVSERVER_DEBUGPY=5678 bin/native up
endif

##@ Look inside

bash: ## A shell where the code runs
	$(RUN) bash

shell: ## Django's Python shell
	$(RUN) python manage.py shell

dbshell: ## A psql prompt on the database
ifeq ($(MODE),docker)
	docker compose exec db sh -c 'psql -U "$$POSTGRES_USER" "$$POSTGRES_DB"'
else ifeq ($(MODE),production)
	bin/prod exec db sh -c 'psql -U "$$POSTGRES_USER" "$$POSTGRES_DB"'
else
	bin/native psql
endif

##@ Database

migrate: ## Apply the migrations
	$(RUN) python manage.py migrate

migrations: ## Make migrations from changed models
	$(RUN) python manage.py makemigrations

superuser: ## Make an account for the admin
	$(RUN) python manage.py createsuperuser

reset: backup ## DELETE the database and begin again; writes a backup first
ifeq ($(MODE),docker)
	docker compose --profile '*' down --volumes
else
	bin/native reset
endif

##@ Data; MODE=production behind a target: of production

backup: ## Write the database to backups/, with a checksum; KEEP=14 of them stay
	bin/data $(MODE) backup

backups: ## List the backups
	@bin/data $(MODE) backups

restore: ## FILE=backups/…: replace the database, if the file is whole and of this project
	$(if $(FILE),,$(error FILE is missing. See: make backups))
	bin/data $(MODE) restore '$(FILE)'

restore-undo: ## Take the database back that was there before the last restore
	bin/data $(MODE) undo

restore-forget: ## DROP the databases that restores have kept
	bin/data $(MODE) forget

db-password: ## Give the database the password that is configured now; nothing is lost
	bin/data $(MODE) password

upgrade-db: ## TO=19: move to another major version of Postgres, or back to one that was left
	$(if $(TO),,$(error TO is missing. Try: make upgrade-db TO=19))
	bin/data $(MODE) upgrade '$(TO)'

##@ Write

app: ## NAME=blog: make apps/blog, registered and with a first test
	$(if $(NAME),,$(error NAME is missing. Try: make app NAME=blog))
	$(RUN) python manage.py startapp $(NAME)

add: ## PACKAGE=name: add a dependency, lock it, install it
	$(if $(PACKAGE),,$(error PACKAGE is missing. Try: make add PACKAGE=django-debug-toolbar))
	$(RUN) bin/lock add '$(PACKAGE)'
	@$(MAKE) --no-print-directory MODE=$(MODE) install

lock: ## Write requirements*.txt from pyproject.toml; ARGS=--upgrade for newer versions
	$(RUN) bin/lock $(ARGS)
	@$(MAKE) --no-print-directory MODE=$(MODE) install

.PHONY: install
install: # What is running, and what runs next, gets the locked requirements.
ifeq ($(MODE),docker)
	docker compose build --quiet
	@[ -z "$$(docker compose ps -q web)" ] || docker compose exec -T web as-owner true
else
	bin/native true
endif

.env: ## Copy .env.example, to change something
	cp .env.example .env

##@ Production

prod-up: ## Rehearse production here: compose.prod.yaml with Compose, until the page answers
	bin/prod up

prod-down: ## Stop and remove production's containers; the data stays
	bin/prod down

deploy: ## Bring this version to the engine's Swarm, with no failed request, or leave all as it was
	bin/release deploy

rollback: ## Bring back the version before, or VERSION=…
	bin/release rollback $(VERSION)

releases: ## List the versions that are there, and which one serves
	@bin/release list

##@ Check

doctor: ## Say what is wrong on this machine and what mends it; FIX=1 mends what is safe
	@bin/doctor $(if $(FIX),--fix)

test: ## Run the tests on a real Postgres; ARGS="-k name" for some of them
ifeq ($(MODE),docker)
	docker compose up --wait --quiet-pull db-test
	docker compose run --rm --build --no-deps --env POSTGRES_HOST=db-test web pytest $(ARGS); \
		status=$$?; docker compose rm --force --stop --volumes db-test 2>/dev/null; exit $$status
else
	bin/native --test pytest $(ARGS)
endif

# Playwright is for these two alone, and stays out of the environment that everybody installs.
BROWSER := uv run --no-project --with-requirements requirements-browser.txt python -m

test-stack: ## Run the tests of the stack itself, which take minutes, a Docker engine and Chromium
	bin/native --test $(BROWSER) pytest --numprocesses=2 --dist=loadfile django_fast_reload/tests/server tests/browser tests/native tests/stack $(ARGS)

test-prod: ## Run the tests of production, which make the engine a Swarm of one
	bin/native --test pytest tests/prod $(ARGS)

screenshots: ## Take the pictures in docs/ anew, of a stack of their own; needs Docker and Chromium
	bin/native $(BROWSER) tests.browser.screenshots

lint: ## Look for faults and odd formatting
	$(RUN) ruff check
	$(RUN) ruff format --check

format: ## Format the code, and mend what can be mended
	$(RUN) ruff check --fix
	$(RUN) ruff format

check: ## Django's own checks, and whether models lack a migration
	$(RUN) python manage.py check
	$(RUN) python manage.py makemigrations --check --dry-run
