#!/usr/bin/env bash
# Have valgrind, which counts instructions; from Debian's packages where it is missing.
set -euo pipefail
if command -v valgrind >/dev/null; then
    exit 0
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    as_root=(sudo)
fi
if ! command -v apt-get >/dev/null || { [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; }; then
    echo "error: valgrind is not on the PATH, and cannot be installed from here." >&2
    echo "       Install it (Debian and Ubuntu: apt install valgrind), then run make again." >&2
    exit 1
fi
echo "installing valgrind"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -qq -y --no-install-recommends valgrind >/dev/null
