SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
GO          ?= go
NPM         ?= npm
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME    ?= 30s

# Nothing but a binary for people needs what default.pgo brings, and with it all packages are compiled once more.
test check soak: export GOFLAGS += -pgo=off

# Every folder with a lock file, by the file that npm writes last. That of bench/ is for make bench alone.
INSTALLED := $(patsubst %/package-lock.json,%/node_modules/.package-lock.json,\
	$(shell find . -name package-lock.json -not -path '*/node_modules/*' -not -path './bench/*'))

# Modules of their own, with dependencies that ours does not have.
MODULES := $(patsubst ./%/go.mod,%,$(shell find ./internal ./examples -name go.mod -not -path '*/node_modules/*' -not -path '*/testdata/*'))

.PHONY: help
help: ## list these commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

.PHONY: run
run: ## serve examples/hello
	$(GO) run . ./examples/hello

.PHONY: test
test: deps ## install what the tests need, and run all of them
	CGO_ENABLED=1 $(GO) test -race -timeout 30m ./...
	@for module in $(MODULES); do \
		echo "test $$module"; \
		(cd $$module && CGO_ENABLED=1 $(GO) test -race ./...); \
	done

.PHONY: check
check: deps ## formatting, vet, staticcheck, types, other systems, generated files
	@unformatted="$$(find . -name '*.go' -not -path '*/node_modules/*' -print0 | xargs -0 gofmt -l)"; \
	if [[ -n "$$unformatted" ]]; then echo "gofmt is due: $$unformatted"; exit 1; fi
	$(GO) mod tidy -diff
	@for os in linux darwin windows; do \
		echo "build and vet for $$os"; \
		CGO_ENABLED=0 GOOS=$$os $(GO) build ./...; \
		CGO_ENABLED=0 GOOS=$$os $(GO) vet ./...; \
	done
	$(GO) run $(STATICCHECK) ./...
	@for module in $(MODULES); do \
		echo "tidy, vet and staticcheck for $$module"; \
		(cd $$module && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./...); \
	done
	$(NPM) --prefix client run --silent check
	$(NPM) --prefix examples/react run --silent check
	$(NPM) --prefix examples/chi-api/web run --silent check
	client/node_modules/.bin/tsc -p examples/hello
	@before="$$(cat client/dist/* | cksum)"; \
	$(GO) generate ./...; \
	if [[ "$$(cat client/dist/* | cksum)" != "$$before" ]]; then echo "client/dist was not current: commit it"; exit 1; fi

.PHONY: generate
generate: ## bundle client/src into client/dist
	$(GO) generate ./...

.PHONY: bench
bench: bench/node_modules/.package-lock.json ## measure devserve beside Bun, Vite, Rsbuild and esbuild, into docs/
	$(GO) run ./bench -write

.PHONY: pgo
pgo: ## profile first builds and edits into default.pgo, for which go build optimizes the binary
	$(GO) test -run '^$$' -bench '(Cold|Hot|Second)/1000$$' -benchtime 3s -trimpath -cpuprofile default.pgo -o /dev/null ./builder

.PHONY: benchmarks
benchmarks: ## run the Go benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: soak
soak: deps ## run all tests ten times: what fails now and then does so here
	E2E_EDITS=400 E2E_FIXTURES=all WATCHER_FILES=100000 CGO_ENABLED=1 $(GO) test -race -count=10 -timeout 5h ./...

.PHONY: fuzz
fuzz: ## fuzz each target for FUZZTIME, 30s if not set
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$pkg; \
		done; \
	done

.PHONY: deps
deps: $(INSTALLED)

$(INSTALLED) bench/node_modules/.package-lock.json: %/node_modules/.package-lock.json: %/package-lock.json | system
	$(NPM) ci --prefix $*
	@touch $@

.PHONY: system
system:
	@.ci/install
