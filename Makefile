# `make help` is the manual of this repository. Every step of .ci/run is a target here; nothing needs to be done before
# `make run` and `make test` beyond having Go, git, make and gcc.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Our module path is not on any proxy: never ask one for it.
export GOPRIVATE := github.com/fertig-project

# Tools are pinned and built once into bin/.
GOLANGCI := v2.15.0
GOVULNCHECK := v1.9.0

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BUILD := go build -trimpath -buildvcs=false -ldflags "-X main.version=$(VERSION)"
MODULES = $(shell go list -m -f '{{.Dir}}')
SERVICES := dispatcher scheduler carrierimport console amazonsim

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: bin/fertig ## Run the demo: everything embedded, sample data, a console (ONCE=1 ends after the job, last line JSON)
	@bin/fertig demo $(if $(ONCE),--once,)

.PHONY: build
build: bin/fertig ## Build bin/fertig and the separate services into bin/
	@for s in $(SERVICES); do $(BUILD) -o bin/$$s ./services/$$s/cmd/$$s; done

.PHONY: bin/fertig
bin/fertig:
	@$(BUILD) -o $@ ./services/allinone/cmd/fertig

.PHONY: test
test: deps ## Vet and test all modules with the race detector, against real servers (more than ten minutes, longer from a cold build cache; builds every image's program, too)
	@go vet work
	@go test -race -run '^$$' work >/dev/null # compiles side by side
	@go test -race -p 1 -timeout 12m work # one package after the other: clusters that elect leaders want the processor to themselves

.PHONY: contract
contract: ## Hold client and simulator to Amazon's models and provoke every answer of the catalogue; last line counts violations
	@go run ./services/allinone/cmd/contract

.PHONY: bench
bench: bin/fertig ## Measure the figures of docs/bench.md; last line JSON
	@go run ./services/allinone/bench -fertig bin/fertig

.PHONY: deps
deps: ## Install redis-server and chromium for the tests, where apt-get is there and we may use it
	@missing=""; \
	command -v redis-server >/dev/null || missing="redis-server"; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || missing="$$missing chromium"; \
	[ -z "$$missing" ] && exit 0; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	  echo "installing $$missing"; apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else \
	  echo "the tests need $$missing: install it (Debian: sudo apt-get install -y --no-install-recommends $$missing) and run make again" >&2; exit 1; \
	fi

.PHONY: lint
lint: bin/golangci-lint-$(GOLANGCI) ## Lint all modules with golangci-lint
	@for m in $(MODULES); do (cd $$m && $(CURDIR)/bin/golangci-lint-$(GOLANGCI) run --config $(CURDIR)/.golangci.yml ./...) || exit 1; done

bin/golangci-lint-$(GOLANGCI):
	@GOWORK=off GOBIN=$(CURDIR)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI)
	@mv bin/golangci-lint $@

.PHONY: fmt-check
fmt-check: ## Fail if a file is not gofmt-clean
	@bad=$$(git ls-files '*.go' | xargs gofmt -l); [ -z "$$bad" ] || { echo "run gofmt -w on:"; echo "$$bad"; exit 1; }

.PHONY: generate
generate: ## Write generated code anew
	@for m in $(MODULES); do (cd $$m && go generate ./...) || exit 1; done

.PHONY: generate-check
generate-check: ## Fail if generated code differs from what its sources say
	@before=$$(git diff | git hash-object --stdin); $(MAKE) --no-print-directory generate; \
	[ "$$before" = "$$(git diff | git hash-object --stdin)" ] || { git diff --stat; echo "generated code was out of date: commit it"; exit 1; }

.PHONY: tidy
tidy: ## Bring go.mod and go.sum in line with the code
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy) || exit 1; done

.PHONY: tidy-check
tidy-check: ## Fail if go.mod or go.sum do not say what the code needs
	@for m in $(MODULES); do (cd $$m && GOWORK=off go mod tidy -diff) || { echo "run make tidy ($$m)"; exit 1; }; done

.PHONY: isolated
isolated: ## Build and vet each module alone, with its tests, and run the tests of those that are fast (all of them: ISOLATED=all)
	@for m in $(MODULES); do echo "$$m"; (cd $$m && GOWORK=off go build ./... && GOWORK=off go vet ./...) || exit 1; done
	@for m in $(if $(filter all,$(ISOLATED)),$(MODULES),shared services/amazonsim services/scheduler); do (cd $$m && GOWORK=off go test -race -p 1 -timeout 8m ./...) || exit 1; done

# What no service links: code for tests, embedded servers, and the simulator. fertig embeds servers, but no code for tests.
TEST_CODE := testing|testing/.*|.*/(natstest|redistest|goleak|rapid)(/.*)?
SERVERS := .*/(nats-server|miniredis)/.*|.*/services/(amazonsim|allinone)(/.*)?

.PHONY: link-check
link-check: ## Fail if test code or an embedded server is linked into a service's binary
	@(cd services/dispatcher && GOWORK=off go list -deps -test ./...) | grep -qxE '$(SERVERS)' || { echo "the check is blind: the dispatcher's tests do link servers" >&2; exit 1; }
	@for s in dispatcher scheduler carrierimport console; do \
	  deps=$$(cd services/$$s && GOWORK=off go list -deps ./cmd/$$s); \
	  ! grep -xE '$(TEST_CODE)|$(SERVERS)' <<<"$$deps" || { echo "linked into $$s: see above"; exit 1; }; \
	done
	@for p in services/allinone/cmd/fertig services/amazonsim/cmd/amazonsim; do \
	  deps=$$(cd $$p && GOWORK=off go list -deps .); \
	  ! grep -xE '$(TEST_CODE)' <<<"$$deps" || { echo "linked into $$p: see above"; exit 1; }; \
	done

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities (needs the internet; fails without)
	@for m in $(MODULES); do (cd $$m && GOWORK=off go run golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK) ./...) || exit 1; done

.PHONY: checks
checks: fmt-check tidy-check generate-check link-check ## All cheap checks that are not tests

.PHONY: ci
ci: ## What the continuous integration runs
	@.ci/run

.PHONY: clean
clean: ## Remove what was built and the demo's data
	@rm -rf bin .run
