# Thin by intent: what a target does stands in `tools/`, which needs Python alone.

PYTHON ?= python3
STACK ?= embedded
TESTS ?= tests

TOOLS := '$(PYTHON)' -m tools
MONITORED := $(if $(MONITORING),--monitoring)
VENV := .venv/bin

ifeq (,$(shell command -v '$(PYTHON)'))
$(error no `$(PYTHON)` on PATH: install Python 3.11 or newer, or name it: make PYTHON=python3.13)
endif

.DEFAULT_GOAL := help
.PHONY: help up preview down preflight rehearse smoke dashboard logs test check bench bench-routing doctor tools shell clean

help: ## say what can be done
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile
	@printf '\nSTACK=%s  which Pulumi.<stack>.yaml    PYTHON=%s  3.11 or newer\n' '$(STACK)' '$(PYTHON)'

up: ## deploy STACK, with a cluster of its own where the stack says so; MONITORING=1 Prometheus too
	@$(TOOLS) up '$(STACK)' $(MONITORED)

preview: ## say what `up` would change, and change nothing
	@$(TOOLS) preview '$(STACK)' $(MONITORED)

down: ## remove everything that `up` made; KEEP=running or stopped leaves STACK's own cluster
	@$(TOOLS) down '$(STACK)' --keep='$(KEEP)'

preflight: ## say what this machine has of what STACK needs, and the command that mends the rest
	@$(TOOLS) preflight '$(STACK)'

rehearse: ## deploy STACK to a control plane of this machine with its nodes, say where pods land
	@$(TOOLS) rehearse '$(STACK)'

smoke: ## ask a deployed STACK, hop by hop, and say which hop fails and why
	@$(TOOLS) smoke '$(STACK)'

dashboard: ## draw what the Prometheus of an embedded STACK has seen: overview.png
	@$(TOOLS) dashboard '$(STACK)'

logs: ## show what the pods of an embedded STACK said; POD= how their names begin
	@$(TOOLS) logs '$(STACK)' '$(POD)'

test: ## run all tests, on the real engine and a real API server too (what CI runs)
	@$(TOOLS) install --all
	@$(TOOLS) run -- python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(TESTS)

check: ## lint, types and unit tests: a minute
	@$(TOOLS) install venv
	@$(VENV)/ruff check
	@$(VENV)/ruff format --check
	@$(VENV)/pyright
	@$(VENV)/python -m pytest -n 2 -m 'not engine and not slow' --dist loadfile $(TESTS)

bench: ## time preview and update, beside an empty program and kubectl apply
	@$(TOOLS) install
	@$(TOOLS) run -- python -m bench

bench-routing: ## compare ways to choose a replica, on simulated model servers: eight minutes
	@$(TOOLS) install
	@$(TOOLS) run -- python -m bench.routing

doctor: ## say what is installed, where it came from, and what mends the rest
	@$(TOOLS) doctor

tools: ## put every tool in place: installed, downloaded or built
	@$(TOOLS) install

shell: ## open a shell in which pulumi and kubectl work by hand
	@$(TOOLS) install
	@$(TOOLS) run -- "$${SHELL:-/bin/sh}"

clean: ## remove .venv, links and caches; stacks, their state and the shared cache of tools stay
	@$(TOOLS) clean
