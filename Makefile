# Two commands do all set-up on a fresh Debian 12 with Rust: `make demo`, `make test`.
SHELL := /bin/bash
BUILD = libavcodec-dev libavformat-dev libavfilter-dev libswscale-dev libavutil-dev libavdevice-dev \
	clang libclang-dev pkg-config cmake nasm build-essential
# A real wiki, ffmpeg to make odd clips of the shipped ones, Python for the oracles and readers,
# a real browser.
TESTS = mediawiki php-cli php-sqlite3 php-gd php-mbstring php-xml php-intl imagemagick ffmpeg \
	python3-venv chromium fonts-dejavu-core
TARGET := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
export FAIRFRAME_VENV ?= $(TARGET)/venv
DEMO_ROOT ?= demo-out
DEMO_SERVE ?= 1
DEMO_LISTEN ?= 127.0.0.1:8080

.PHONY: demo test lint build-packages test-packages venv

demo: build-packages
	cargo build --release
	$(TARGET)/release/fairframe --root $(DEMO_ROOT) demo --listen $(DEMO_LISTEN) $(if $(filter-out 0,$(DEMO_SERVE)),--serve)

# Examples have no tests and neither have the docs: they are linted, not linked.
test: build-packages test-packages venv lint
	cargo test --release --workspace --tests

lint:
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings

build-packages:
	@$(call install,$(BUILD))

test-packages:
	@$(call install,$(TESTS))

venv: $(FAIRFRAME_VENV)/.ready

$(FAIRFRAME_VENV)/.ready: tests/python/requirements.txt
	python3 -m venv $(FAIRFRAME_VENV)
	$(FAIRFRAME_VENV)/bin/pip install --quiet --requirement tests/python/requirements.txt
	touch $@

# dpkg-query prints one line for each package that is not wholly there.
define install
missing=$$(for p in $(1); do [ "$$(dpkg-query -W -f='$${Status}' $$p 2>/dev/null)" = "install ok installed" ] || echo $$p; done); \
if [ -n "$$missing" ]; then sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; fi
endef
