# Targets of this repository, which projects made from it do not have.
.PHONY: new init test-stack test-prod screenshots
# The slowest are named, so that a slow one is seen before it is many.
PYTEST := pytest --durations=15
SUITES := django_fast_reload/tests/server $(addprefix django_compose_stack/tests/,browser native stack)
# Playwright is for these alone, and stays out of the environment that everybody installs.
BROWSER := uv run --no-project --with-requirements django_compose_stack/tests/browser/requirements.txt python -m

##@ A project of your own, from this clone
new: ## DIR=../shop: make a new project
init: ## DIR=../mine: add the stack to a Django project
new init:
	@$(STACK) $@ $(foreach name,$(GIVEN),"$$$(name)")

##@ The packages
test-stack: ## The tests of the packages that take minutes, a Docker engine and Chromium
	$(STACK) native --test $(BROWSER) $(PYTEST) --numprocesses=2 --dist=loadfile $(SUITES) $(ARGS)

test-prod: ## The tests of production, which make the engine a Swarm of one
	$(STACK) native --test $(PYTEST) django_compose_stack/tests/prod $(ARGS)

screenshots: ## Take the pictures in docs/ anew, of a stack of their own; needs Docker and Chromium
	$(STACK) native $(BROWSER) django_compose_stack.tests.browser.screenshots
