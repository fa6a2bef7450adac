#!/usr/bin/env bash
# Make the venv named by $1 and bring it to what pyproject.toml asks for. Silent, and off the network, when it is.
set -euo pipefail
venv=$1
cd "$(dirname "$0")/.."

find_python() {
    local candidate
    for candidate in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "error: no Python >= 3.11 found (tried: ${PYTHON:-python3 and python3.11 to python3.14})." >&2
    echo "       Install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2
    return 1
}

# A venv whose interpreter is gone or too old is of no use: make it anew.
if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$(find_python)
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        echo "error: $python cannot make virtual environments: the module ensurepip is missing." >&2
        echo "       On Debian and Ubuntu: apt install python3-venv" >&2
        exit 1
    fi
    echo "making $venv with $("$python" --version)"
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
"$venv/bin/python" scripts/requirements.py
