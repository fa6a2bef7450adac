"""Run one system in the current venv, with values on stdout: `run.py SYSTEM rounds|once [--skip X]`."""

from __future__ import annotations

import argparse
import importlib
import sys

import measures
from protocol import Options


def main() -> int:
    """0 when everything was measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system")
    parser.add_argument("what", choices=("rounds", "once"))
    parser.add_argument("--skip", action="append", default=[])
    arguments = parser.parse_args()
    module = importlib.import_module(f"systems.{arguments.system}")
    getattr(measures, arguments.what)(module.make(Options.here()), set(arguments.skip))
    return 0


if __name__ == "__main__":
    sys.exit(main())
