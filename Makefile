.DEFAULT_GOAL := help
BIN := .venv/bin

help:  ## Print the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

install: .venv/installed  ## Set everything up, in .venv

.venv/installed: pyproject.toml requirements/dev.txt scripts/install
	scripts/install

run: install  ## Run the gateway with simulated providers
	@$(BIN)/holdfast up

test: install  ## Run the tests
	$(BIN)/pytest

test-ha: install  ## Fail hosts, services and etcd under load; write the report (root)
	$(BIN)/python -m tests.ha

test-ha-random: install  ## Fail them at random moments, with seeds that reproduce it (root)
	$(BIN)/python -m tests.ha --random --runs 10 --minutes 3 --write

check: lint types imports protos-check  ## Run the linters, type checks and import rules

lint: install
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install
	$(BIN)/mypy

imports: install .venv-imports/installed
	PYTHONPATH=src:services/edge:services/executor:services/resolver \
		.venv-imports/bin/lint-imports

.venv-imports/installed: requirements/imports.txt
	python3 -m venv .venv-imports
	.venv-imports/bin/pip install --quiet --require-hashes -r requirements/imports.txt
	touch $@

clients: install .venv-clients/installed tests/clients/node/node_modules/installed  ## Try the clients people use against the gateway
	$(BIN)/pytest tests/clients

.venv-clients/installed: requirements/clients.txt
	python3 -m venv .venv-clients
	.venv-clients/bin/pip install --quiet --require-hashes -r requirements/clients.txt
	touch $@

# No lock file: it would name the registry that it was made with.
tests/clients/node/node_modules/installed: tests/clients/node/package.json
	cd tests/clients/node && npm install --quiet --no-package-lock --no-audit --no-fund
	touch $@

fuzz: install .venv-fuzz/installed  ## Send every endpoint what its description allows and forbids
	$(BIN)/python -m tests.fuzz

.venv-fuzz/installed: requirements/fuzz.txt
	python3 -m venv .venv-fuzz
	.venv-fuzz/bin/pip install --quiet --require-hashes -r requirements/fuzz.txt
	touch $@

audit: .venv-audit/installed  ## Hold the pins against what is known of weak versions
	for pins in requirements/*.txt; do \
		echo "audit: $$pins"; \
		.venv-audit/bin/pip-audit --strict --progress-spinner off --disable-pip --require-hashes \
			--requirement $$pins || exit 1; \
	done

.venv-audit/installed: requirements/audit.txt
	python3 -m venv .venv-audit
	.venv-audit/bin/pip install --quiet --require-hashes -r requirements/audit.txt
	touch $@

screenshots: install  ## Take the pictures of the console again, into docs/images
	$(BIN)/python scripts/screenshots.py

manifests: install .venv-manifests/installed  ## Test what Kubernetes is given, its schemas included
	$(BIN)/pytest tests/deploy

image: install  ## Build the image; run it, and the overlays' pods with it
	deploy/image/build
	$(BIN)/pytest tests/deploy/test_image.py tests/deploy/test_dev_overlay.py \
		tests/deploy/test_rehearsal_overlay.py tests/deploy/test_prod_overlay.py

.venv-manifests/installed: requirements/manifests.txt
	python3 -m venv .venv-manifests
	.venv-manifests/bin/pip install --quiet --require-hashes -r requirements/manifests.txt
	touch $@

format: install  ## Format the code
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: install  ## Measure beside the floor and other gateways; write docs/performance.md
	$(BIN)/python -m bench
	rm -f bench/.results/profile.jsonl
	for scenario in small fallback body paced; do \
		$(BIN)/python -m bench.profile $$scenario --save bench/.results/profile.jsonl \
			>/dev/null || exit 1; \
	done
	$(BIN)/python -m bench.shares small burst fallback body paced sessions embeddings
	$(BIN)/python -m bench.report
	if [ -f bench/.results/capacity.json ]; then $(BIN)/python -m bench.capacity --gather; fi

bench-quick: install  ## Measure a few scenarios beside the floor, in a minute
	$(BIN)/python -m bench --quick --out bench/.results/quick.jsonl

bench-guard: install  ## Fail if a request has become grossly dearer
	$(BIN)/python -m bench.guard

fault-bench: install  ## Run every fault against the real services; print a table
	$(BIN)/python -m bench.faults

capacity: install  ## Measure what memory, etcd and the ledger carry; write docs/capacity.md, docs/sizing.md
	$(BIN)/python -m bench.shares --rounds 2 small burst fallback body paced sessions \
		embeddings
	$(BIN)/python -m bench.capacity

soak: install  ## Send requests of every kind for ten minutes; write docs/soak.md
	$(BIN)/python -m bench.soak

bench-peers:  ## Install the other gateways, into bench/.peers
	bench/install-peers

protos: .venv-protos/installed  ## Generate code from the protos
	PATH="$(CURDIR)/.venv-protos/bin:$$PATH" .venv-protos/bin/python scripts/generate_protos.py

protos-check: protos
	git diff --exit-code --stat -- src/holdfast/api services/resolver/holdfast_resolver/etcd

.venv-protos/installed: requirements/protos.txt
	python3 -m venv .venv-protos
	.venv-protos/bin/pip install --quiet --require-hashes -r requirements/protos.txt
	touch $@

pins: install  ## Pin the dependencies anew
	scripts/pin

.PHONY: help install run test test-ha test-ha-random clients check lint types imports manifests image format protos protos-check pins \
	bench bench-quick bench-guard bench-peers fault-bench soak \
	capacity audit
