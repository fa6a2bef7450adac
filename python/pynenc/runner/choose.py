"""Which runner `pynenc runner start` starts when none is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pynenc.conf.masking import masked_url
from pynenc.conf.store_url import resolve_store_url
from pynenc.runner.base_runner import BaseRunner, DummyRunner
from pynenc.runner.thread_runner import ThreadRunner
from pynenc.util.subclasses import all_subclasses, get_subclass, is_public, unknown_subclass

if TYPE_CHECKING:
    from pynenc._kernel.shapes import AppShape


def startable_runners() -> dict[str, type[BaseRunner]]:
    """The imported runner classes that can be started, by name: those of pynenc, and those of the user's modules."""
    import pynenc.runner  # noqa: F401

    return {
        cls.__name__: cls
        for cls in all_subclasses(BaseRunner)  # type: ignore[type-abstract]
        if is_public(cls) and not issubclass(cls, DummyRunner)
    }


def runner_called(name: str) -> type[BaseRunner]:
    """The runner class of this name, to be started.

    Raises:
        ValueError: no imported runner has this name. The message names near ones, and lists those that can be started.
    """
    try:
        return get_subclass(BaseRunner, name)  # type: ignore[type-abstract]
    except ValueError:
        raise unknown_subclass(BaseRunner, name, startable_runners()) from None


def configured_runner_cls(app: AppShape) -> type[BaseRunner]:
    """The class that the setting `runner_cls` names.

    Raises:
        ValueError: no imported runner has this name. The message names the setting and its source too.
    """
    try:
        return runner_called(app.conf.runner_cls)
    except ValueError as error:
        raise ValueError(f"ConfigPynenc.runner_cls (from {app.conf.source_of('runner_cls')}): {error}") from None


def choose_runner_cls(app: AppShape) -> tuple[type[BaseRunner], str]:
    """Return the class, and the reason in words.

    Raises:
        ValueError: `runner_cls` names no imported runner.
    """
    configured = app.conf.runner_cls
    if configured and configured != DummyRunner.__name__:
        return configured_runner_cls(app), f"runner_cls is {configured!r}"
    url = masked_url(resolve_store_url(app.conf)) or "this one"
    return ThreadRunner, f"no runner is configured, and it works with every store, so with {url} too"
