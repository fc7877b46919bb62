# Short names for dev.py, which makes the environment. Arguments go behind ARGS=, as in `make test ARGS="-k retry"`.

PYTHON ?= python3
ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help demo test check fix contract soak shots bench bench-peers docs

help: ## this list
	@sed -n 's/^\([a-z-]*\): ## /  make \1	/p' $(MAKEFILE_LIST)

demo: ## the registration demo
	@$(PYTHON) dev.py $@ $(ARGS)

test: ## all tests but the long ones
	@$(PYTHON) dev.py $@ $(ARGS)

check: ## lint, format, types and the direction of imports
	@$(PYTHON) dev.py $@ $(ARGS)

fix: ## mend what lint and format can mend
	@$(PYTHON) dev.py $@ $(ARGS)

contract: ## what every store promises
	@$(PYTHON) dev.py $@ $(ARGS)

soak: ## the long tests
	@$(PYTHON) dev.py $@ $(ARGS)

shots: ## the pictures of the dashboard
	@$(PYTHON) dev.py $@ $(ARGS)

bench: ## ours beside FastAPI's own background tasks, in three minutes
	@$(PYTHON) dev.py $@ $(ARGS)

bench-peers: ## all systems under all workloads, for hours
	@$(PYTHON) dev.py $@ $(ARGS)

docs: ## the examples and links of the docs
	@$(PYTHON) dev.py $@ $(ARGS)
