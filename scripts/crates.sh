#!/usr/bin/env bash
# Bring every crate of Cargo.lock to the disk, so that all later steps can run with CARGO_NET_OFFLINE. Crates of other
# platforms are among them: maturin reads `cargo metadata`, which wants them all.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v cargo >/dev/null; then
    echo "error: cargo is not on the PATH. Install stable Rust (https://rustup.rs), then run make again." >&2
    exit 1
fi
if ! CARGO_NET_OFFLINE=true cargo fetch --quiet --locked 2>/dev/null; then
    echo "fetching crates"
    CARGO_NET_OFFLINE=false cargo fetch --locked
fi
