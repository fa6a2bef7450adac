"""Tools for tests: of an app (`isolated`, `AppTest`), and of extensions (conformance suites, benchmarks).

pytest loads the fixtures of `pynenc.testing.plugin` by itself.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pynenc.testing.app_test import AppTest, isolated
    from pynenc.testing.plugin import IsolateApp, StartRunner

__all__ = ["AppTest", "IsolateApp", "StartRunner", "isolated"]

_MODULES = {"AppTest": "app_test", "IsolateApp": "plugin", "StartRunner": "plugin", "isolated": "app_test"}


def __getattr__(name: str) -> Any:
    """Import names when they are used: pytest imports this package in every session."""
    if name in _MODULES:
        return getattr(importlib.import_module(f"pynenc.testing.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
