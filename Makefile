# `make help` lists the targets. Only Go is needed; tools are pinned in go.mod
# and .tools/go.mod and are built on first use.

GO           ?= go
VERSION      ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
PACKAGES     ?= ./...
TEST_TIMEOUT ?= 20m
RACE_TIMEOUT ?= 30m
FUZZTIME     ?= 20s
FAULT        ?= Fault
FAULT_PKGS   ?= ./cmd/syncer/... ./replicator/e2e/...
FAULT_TIME   ?= 30m
BENCH_OUT    ?= docs/benchmarks.md

# Linters have their own module file, so that what they require does not decide
# the versions that syncer is built with.
GOLANGCI = $(GO) tool -modfile=.tools/go.mod golangci-lint

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## See it work: two embedded etcds, an embedded hub, a link that drops
	$(GO) run ./cmd/syncer-demo

.PHONY: build
build: ## Build static binaries into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X github.com/syncer-io/syncer/replicator.Version=$(VERSION)' -o bin/ ./cmd/...

.PHONY: test
test: ## Vet and test everything that a fresh machine with Go can test
	$(GO) vet $(PACKAGES)
	$(GO) test -timeout $(TEST_TIMEOUT) $(PACKAGES)

.PHONY: race
race: ## Test with the race detector (needs a C compiler)
	$(GO) test -race -timeout $(RACE_TIMEOUT) $(PACKAGES)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (20s)
	@set -e; for f in $$(grep -rEo --include='*_test.go' '^func Fuzz[[:alnum:]_]+' . | sed 's|/[^/]*:func |:|'); do \
		echo "$${f#*:} in $${f%%:*} for $(FUZZTIME)"; \
		$(GO) test -run '^$$' -fuzz "^$${f#*:}\$$" -fuzztime $(FUZZTIME) "$${f%%:*}"; \
	done

.PHONY: fault
fault: ## Kill, cut, roll back and purge the real binaries (long)
	$(GO) test -tags fault -count=1 -v -run '$(FAULT)' -timeout $(FAULT_TIME) $(FAULT_PKGS)

.PHONY: bench
bench: ## Measure syncer and etcdctl make-mirror side by side into BENCH_OUT
	$(GO) run ./replicator/bench -out $(BENCH_OUT)

.PHONY: lint
lint: ## Run the linters of .golangci.yml
	$(GOLANGCI) run $(PACKAGES)

.PHONY: fmt
fmt: ## Format all Go files
	$(GOLANGCI) fmt

.PHONY: tools
tools: ## Build the pinned tools ahead of their first use
	$(GO) tool etcdctl version
	$(GOLANGCI) version

.PHONY: kube
kube: ## Build a real Kubernetes control plane for tests (once, 10 to 15 minutes)
	GO=$(GO) .tools/kube/build.sh

.PHONY: e2e-kube
e2e-kube: kube ## Run an application of one real cluster at another one (needs make kube)
	SYNCER_NEED_KUBE=1 $(GO) test -count=1 -timeout 20m -v -run 'Kube|APIServer|LiveCluster|AmongObjects' ./replicator/e2e

.PHONY: samples
samples: ## Freeze anew what a real control plane stores (needs make kube)
	SYNCER_NEED_KUBE=1 $(GO) test -count=1 -timeout 20m -run '^TestMake' ./replicator/testbed/kube -args -update

.PHONY: verify
verify: lint test race ## Everything a change must pass, and that nothing is left to tidy
	$(GOLANGCI) fmt --diff
	$(GO) mod tidy -diff
	$(GO) mod verify
