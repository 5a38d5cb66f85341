# Two commands do all set-up on a fresh Debian 12 with Rust: `make demo`, `make test`.
PACKAGES = libavcodec-dev libavformat-dev libavfilter-dev libswscale-dev libavutil-dev \
	libavdevice-dev clang libclang-dev pkg-config cmake nasm build-essential
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

.PHONY: demo test packages lint

packages:
	@dpkg -s $(PACKAGES) >/dev/null 2>&1 || { $(SUDO) apt-get update -qq && \
	  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES); }

# Checks the bundled sources; README says what is not there yet.
demo: packages
	cargo run --release --quiet -- demo

test: packages lint
	cargo test --release --workspace

lint:
	cargo fmt --all --check
