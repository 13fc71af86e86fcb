# Each target is a command of the program in .stack/. It uses Docker if an engine answers; MODE=docker, native
# or production after a target overrides that. Without make: python3 .stack up
# A shim of pyenv or asdf needs a tenth of a second more than Python itself: it comes after the rest of PATH.
export STACK_PYTHON := $(shell IFS=:; for folder in $$PATH; do [ "$${folder##*/}" = shims ] || found=$$found:$$folder/python3; done; \
	for python in .venv/bin/python$$found python3 python3.14 python3.13 python3.12 uv; do \
	[ $$python != uv ] || python=$$(uv python find 2>/dev/null); \
	"$$python" -ISc 'import sys; sys.version_info >= (3, 8) or sys.exit(1); print(sys.executable)' 2>/dev/null && break; done)
STACK = $(if $(STACK_PYTHON),,$(error No Python 3.8 or newer was found. Install one, or type: docker compose up --build --wait))"$$STACK_PYTHON" -BIS .stack
# Passed on in the environment exactly as typed, so that neither make nor the shell interprets them.
GIVEN := $(foreach name,NAME PACKAGE SERVICE FILE TO VERSION LAN_ADDRESS DIR FROM HOST,$(if $(findstring command,$(origin $(name))),$(name)))
$(foreach name,$(GIVEN) ARGS,$(if $(findstring command,$(origin $(name))),$(eval override $(name) := $$(value $(name)))))
export ARGS FIX JSON KEEP MODE $(GIVEN)

.DEFAULT_GOAL := help
TARGETS = $(shell awk -F ':.*## ' '/^[a-z-]+:.*## / {print $$1}' Makefile)
.PHONY: help $(TARGETS)

help: # List the targets
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z.-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(TARGETS):
	@$(STACK) $@ $(if $(filter SERVICE,$(GIVEN)),--service) $(foreach name,$(GIVEN),"$$$(name)")

.env: ## Copy .env.example, to change something
	cp .env.example .env

##@ Run
up: ## Build, start, wait until the page answers, print its address
down: ## Stop and remove the containers; the database stays
restart: ## Restart the web service
logs: ## Follow the logs
ps: ## Show what runs, and on which ports
open: ## Open the page in a browser
share: ## Open the page to the local network, with a QR code; make up closes it again
debug: ## Like up, and an editor can attach to debugpy on port 5678 (.vscode/launch.json)
##@ Look inside
bash: ## A shell where the code runs
shell: ## Django's Python shell
dbshell: ## An SQL prompt on the database
##@ Database
migrate: ## Apply migrations
migrations: ## Create migrations from changed models
superuser: ## Create an account for the admin
reset: ## DELETE the database; writes a backup first
##@ Data (with MODE=production: of production)
backup: ## Write the database to backups/, with a checksum; KEEP=14 backups stay
backups: ## List the backups
restore: ## FILE=backups/…: replace the database by a backup, after checking it
restore-undo: ## Bring back the database that the last restore replaced
restore-forget: ## DROP the databases that restores replaced
db-password: ## Give the database the password that is configured now; no data is lost
db-owner: ## Take a superuser's rights from the role of the application; no data is lost
upgrade-db: ## TO=19: move to another major version of Postgres, or back
##@ Write
app: ## NAME=blog: create apps/blog, registered, with a first test
add: ## SERVICE=valkey: add a service. PACKAGE=name: add a dependency, lock it, install it
remove: ## SERVICE=valkey: remove a service; its data stays
lock: ## Write the lock files from pyproject.toml; ARGS=--upgrade for newer versions
update: ## FROM=../clone: move to the version of the packages there; merges it into files you changed
##@ Check
doctor: ## Say what is wrong on this machine and how to fix it; FIX=1 fixes what is safe to fix
test: ## Run the tests on a real Postgres; ARGS="-k name" for some of them
watch: ## Run the tests that a save concerns, in milliseconds; ARGS=apps/pages for some of them
lint: ## Find errors and formatting problems
format: ## Format the code, and fix what ruff can fix
check: ## Run Django's system checks, and look for missing migrations
##@ Production
prod-up: ## Rehearse production on this machine, with Compose
prod-down: ## Stop and remove its containers; the data stays
deploy: ## Deploy this version to a Swarm: no request fails, and a broken version is not let in
rollback: ## Bring back the previous version, or VERSION=…
releases: ## List the versions, and which one serves
server: ## HOST=root@203.0.113.5: make a Debian machine ready for deploy
status: ## MODE=production: say in ten lines whether the site is well; JSON=1 for programs

# Of this repository alone.
include .ci/repository.mk
