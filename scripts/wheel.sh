#!/usr/bin/env bash
# Build a release wheel with the maturin of the venv $1; what follows is passed on. Paths of this machine are replaced in
# everything that is compiled: panics and debug information name source files, and those would name the builder's home.
# It has a target folder of its own, since builds with and without the replacement cannot share one.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=$1
shift
cargo_home=${CARGO_HOME:-$HOME/.cargo}
# The last one that matches counts.
flags=(
    "--remap-path-prefix=$HOME=/home"
    "--remap-path-prefix=$(rustc --print sysroot)=/rust"
    "--remap-path-prefix=$cargo_home=/cargo"
    "--remap-path-prefix=$cargo_home/registry/src=/crates"
    "--remap-path-prefix=$PWD=/pynenc-rs"
)
export CARGO_ENCODED_RUSTFLAGS
CARGO_ENCODED_RUSTFLAGS=$(IFS=$'\x1f'; echo "${flags[*]}")
export CFLAGS="${CFLAGS:-} -ffile-prefix-map=$cargo_home=/cargo -ffile-prefix-map=$PWD=/pynenc-rs"
export CARGO_TARGET_DIR=target/release-wheel
"$venv/bin/maturin" build --release --out dist --interpreter "$venv/bin/python" "$@"
"$venv/bin/python" scripts/clean_wheel.py dist
