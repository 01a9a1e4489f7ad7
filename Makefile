# Everything there is to do with a clone. `make demo` and `make test` do their own set-up.

CARGO ?= cargo
TARGET = $(or $(CARGO_TARGET_DIR),target)

.PHONY: demo test bench slt-datafusion docs check page needs

# Makes a database of real texts and pictures, asks it a few questions, and serves its maps: a few minutes the
# first time. `make demo PAGE=no` stops before the page.
demo: needs
	$(CARGO) build --bin portolan
	@sql/demo.sh $(TARGET)/debug/portolan $(if $(filter no,$(PAGE)),--no-page)

# All tests, and last how many were skipped for want of Python, npm or Chromium.
test: needs
	@list="$$(mktemp)"; \
	PORTOLAN_SKIPPED="$$list" $(CARGO) test --workspace --no-fail-fast; code=$$?; \
	sort "$$list" | uniq -c | sed 's/^ *[0-9]* /skipped: /'; \
	echo "$$(wc -l <"$$list" | tr -d ' ') skipped"; \
	rm -f "$$list"; \
	exit $$code

# Timings; each prints what it measured.
bench: needs
	$(CARGO) bench --bench startup --bench scan_parquet --bench ctas_memory

# DataFusion's own .slt files: plain DataFusion's answers are the measure of ours.
slt-datafusion: needs
	$(CARGO) test --test slt_datafusion

# The library's documentation, and links between the documents.
docs: needs
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --workspace
	.ci/links

# Formatting and lints.
check: needs
	$(CARGO) fmt --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --test slt_datafusion -- -D warnings

# The page that `portolan serve` shows, from its sources in web/; the build takes web/dist as it is.
page:
	cd web && npm ci && npm run build

# What the build needs besides Rust: installed where that is allowed, named where it is not.
needs:
	@.ci/needs
