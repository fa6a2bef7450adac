#!/usr/bin/env bash
# Have the programs that the tests start for themselves: redis-server, and openssl for certificates; from Debian's
# packages where they are missing.
set -euo pipefail
if command -v redis-server >/dev/null && command -v redis-cli >/dev/null && command -v openssl >/dev/null; then
    exit 0
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    as_root=(sudo)
fi
if ! command -v apt-get >/dev/null || { [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; }; then
    echo "error: redis-server (7.0 or newer) or openssl is not on the PATH, and cannot be installed from here." >&2
    echo "       Install it (Debian and Ubuntu: apt install redis-server openssl), then run make again." >&2
    exit 1
fi
echo "installing redis-server and openssl"
# Only the program is wanted: with this runlevel the package does not start a server of its own.
export RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -qq -y --no-install-recommends redis-server openssl >/dev/null
