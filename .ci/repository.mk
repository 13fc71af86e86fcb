# Targets of this repository, which projects made from it do not have.
.PHONY: new init test-stack test-prod screenshots
# Print the slowest tests, so that they are noticed early.
PYTEST := pytest --durations=15 --numprocesses=2 --dist=loadfile
PROD := django_compose_stack/tests/prod
SUITES := django_fast_reload/tests/server $(addprefix django_compose_stack/tests/,browser native stack)
# Only these need Playwright, so it stays out of the environment that everybody installs.
BROWSER := uv run --no-project --with-requirements django_compose_stack/tests/browser/requirements.txt python -m

##@ A project of your own, from this clone
new: ## DIR=../shop: make a new project
init: ## DIR=../mine: add the stack to a Django project
new init:
	@$(STACK) $@ $(foreach name,$(GIVEN),"$$$(name)")

##@ The packages
test-stack: ## The slow tests: minutes, a Docker engine, Chromium
	$(STACK) native --test $(BROWSER) $(PYTEST) $(SUITES) $(ARGS)

test-prod: ## The tests of production, which make the engine a Swarm of one
	$(STACK) native --test $(PYTEST) $(PROD) $(ARGS)

screenshots: ## Take the pictures in docs/ again; needs Docker and Chromium
	$(STACK) native $(BROWSER) django_compose_stack.tests.browser.screenshots
