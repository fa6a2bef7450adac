"""The command line: `pynenc`, or `python -m pynenc`. One file per command."""

from __future__ import annotations

from pynenc.cli.main import main

__all__ = ["main"]
