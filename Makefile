# Works with GNU make 3.81, the one that macOS has.
SHELL := /bin/bash
CARGO ?= cargo
export CARGO

.DEFAULT_GOAL := help
.PHONY: help demo test test-portable real-envs bench-peers lint package vulkan

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: vulkan ## Train, evaluate and explain SGQN on a native world (ARGS="--seed 2")
	$(CARGO) run --release -- demo $(ARGS)

test: vulkan ## Everything that proves it (ARGS="--test ops" for a part)
	@bash scripts/test.sh $(ARGS)

test-portable: ## The operations on SwiftShader and on OpenGL (INSTALL=1 fetches what lacks)
	@bash scripts/portable.sh $(ARGS)

real-envs: ## The Python environment for dm_control, Meta-World, Atari and Gymnasium
	@bash scripts/real-envs.sh

bench-peers: vulkan ## The same work with burn, meganeura and PyTorch, in turn (ARGS="--rounds 3")
	@python3 benches/peers/run.py $(ARGS)

lint: ## Formatting, clippy and documentation, warnings as errors
	$(CARGO) fmt --check
	$(CARGO) clippy --release --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --no-deps

package: ## The crate as it would be published, built from its packaged files
	$(CARGO) package --locked

# Only installs something on a Linux machine without any Vulkan driver.
vulkan:
	@bash scripts/software-vulkan.sh
