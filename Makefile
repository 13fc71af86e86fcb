# Each target is a command of the program in .stack/, which does it with Docker where an engine answers and without
# where none does; MODE=docker, native or production behind a target decides. Without make: python3 .stack up
PYTHON := $(shell for python in .venv/bin/python python3 python3.14 python3.13 python3.12 "$$(uv python find 2>/dev/null)"; do \
	[ "$$("$$python" -ISc 'import sys; print(sys.version_info >= (3, 8))' 2>/dev/null)" = True ] && echo "$$python" && break; done)
STACK = $(or $(PYTHON),$(error No Python 3.8 or newer was found. Install one, or type: docker compose up --build --wait)) -IS .stack
# Taken as they were typed, and given on by the environment: what is in them is neither make's nor the shell's to read.
GIVEN := $(foreach name,NAME PACKAGE FILE TO VERSION LAN_ADDRESS DIR FROM,$(if $(findstring command,$(origin $(name))),$(name)))
$(foreach name,$(GIVEN) ARGS,$(if $(findstring command,$(origin $(name))),$(eval override $(name) := $$(value $(name)))))
export ARGS FIX KEEP MODE $(GIVEN)

.DEFAULT_GOAL := help
TARGETS = $(shell awk -F ':.*## ' '/^[a-z-]+:.*## / {print $$1}' Makefile)
.PHONY: help $(TARGETS)

help: # List what there is
	@awk -F ':.*## ' '/^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-z.-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(TARGETS):
	@$(STACK) $@ $(foreach name,$(GIVEN),"$$$(name)")

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
debug: ## As up, and an editor can attach to debugpy on port 5678 (.vscode/launch.json)
##@ Look inside
bash: ## A shell where the code runs
shell: ## Django's Python shell
dbshell: ## A psql prompt on the database
##@ Database
migrate: ## Apply the migrations
migrations: ## Make migrations from changed models
superuser: ## Make an account for the admin
reset: ## DELETE the database and begin again; writes a backup first
##@ Data; MODE=production behind a target: of production
backup: ## Write the database to backups/, with a checksum; KEEP=14 of them stay
backups: ## List the backups
restore: ## FILE=backups/…: replace the database, if the file is whole and of this project
restore-undo: ## Take the database back that was there before the last restore
restore-forget: ## DROP the databases that restores have kept
db-password: ## Give the database the password that is configured now; nothing is lost
upgrade-db: ## TO=19: move to another major version of Postgres, or back to one that was left
##@ Write
app: ## NAME=blog: make apps/blog, registered and with a first test
add: ## PACKAGE=name: add a dependency, lock it, install it
lock: ## Write the lock files from pyproject.toml; ARGS=--upgrade for newer versions
update: ## FROM=../clone: move to the version of the stack there, and merge it into what you changed
##@ Check
doctor: ## Say what is wrong on this machine and how to fix it; FIX=1 fixes what is safe to fix
test: ## Run the tests on a real Postgres; ARGS="-k name" for some of them
lint: ## Look for faults and odd formatting
format: ## Format the code, and fix what can be fixed
check: ## Django's own checks, and whether models lack a migration
##@ Production
prod-up: ## Rehearse production here, with Compose, until the page answers
prod-down: ## Stop and remove production's containers; the data stays
deploy: ## Bring this version to the engine's Swarm, with no failed request, or leave all as it was
rollback: ## Bring back the version before, or VERSION=…
releases: ## List the versions that are there, and which one serves

# Of this repository alone.
include .ci/repository.mk
