"""Which runner `pynenc runner start` starts when none is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc.runner.base_runner import BaseRunner, DummyRunner
from pynenc.runner.thread_runner import ThreadRunner
from pynenc.util.subclasses import get_subclass

if TYPE_CHECKING:
    from pynenc.app import Pynenc


def choose_runner_cls(app: Pynenc) -> tuple[type[BaseRunner], str]:
    """The class, and the reason in words for whoever starts it. Opens the store to see its kind.

    Raises:
        ValueError: `runner_cls` names no imported runner.
    """
    configured = app.conf.runner_cls
    if configured and configured != DummyRunner.__name__:
        return get_subclass(BaseRunner, configured), f"runner_cls is {configured!r}"  # type: ignore[type-abstract]
    return ThreadRunner, f"no runner is configured, and it works with every store, so with {app._store.url} too"
