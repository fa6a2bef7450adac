"""Give an app an empty store and new settings for a while: the only code that swaps the state of an app."""

from __future__ import annotations

import contextlib
import functools
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pynenc._kernel.runtime import runtime_of
from pynenc.exceptions import ConfigError
from pynenc.util.near_names import did_you_mean

if TYPE_CHECKING:
    from pynenc.app import Pynenc

_STORES = ("memory", "sqlite")
_WORD = re.compile(r"[\w.-]{0,40}")
"""Text that cannot be a URL and contains no password, so it may be shown."""


@contextmanager
def fresh_state(app: Pynenc, store: str, manual_clock: bool, settings: dict[str, Any]) -> Iterator[None]:
    """Give `app` an empty store and new settings for the time of the block; `isolated` documents the arguments."""
    if manual_clock and store != "memory":
        raise ValueError(
            f'manual_clock needs the store "memory", got {store!r}: other stores have the time of a server'
        )
    if store not in _STORES and _WORD.fullmatch(store):
        hint = did_you_mean(store, _STORES)
        raise ConfigError(
            f"there is no store {store!r} for a test{f': {hint}' if hint else ''} (known: "
            f"{', '.join(map(repr, _STORES))}, or a URL such as redis://localhost:6379/15)"
        )
    if runtime_of(app).has_running_runner():
        raise RuntimeError(f"a runner of app {app.app_id!r} runs in this process: stop it before the app is isolated")
    codec = runtime_of(app).parts.get("codec")
    registered = [] if codec is None else codec.registered_exceptions()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_set_aside(app))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pynenc-test-"))
        urls = {"memory": "memory://", "sqlite": f"sqlite:///{Path(folder) / 'test.db'}"}
        app.conf.store_url = urls.get(store, store)
        for name, value in settings.items():
            _assign(app, name, value)
        # After the settings, because the codec is created from them.
        for cls in registered:
            app.register_exception(cls)
        if manual_clock:
            _open_manually(app)
        _require_empty(app, store)
        try:
            yield
        finally:
            app.purge()
            runtime_of(app).store.close()


@contextmanager
def _set_aside(app: Pynenc) -> Iterator[None]:
    """Remove settings, store, runner and derived objects from an app and its tasks for the duration of the block."""
    tasks = [(task, _take_cached(task)) for task in app.tasks.values()]
    try:
        with runtime_of(app).set_aside():
            yield
    finally:
        for task in app.tasks.values():
            _take_cached(task)
        for task, cached in tasks:
            task.__dict__.update(cached)


def _take_cached(task: Any) -> dict[str, Any]:
    """Remove the values that a task has computed from the settings, and return them by name."""
    names = {name for cls in type(task).__mro__ for name, value in vars(cls).items() if _is_cached(value)}
    return {name: task.__dict__.pop(name) for name in names & task.__dict__.keys()}


def _is_cached(attribute: Any) -> bool:
    return isinstance(attribute, functools.cached_property)


def _assign(app: Pynenc, name: str, value: Any) -> None:
    from pynenc.conf.base import fields_of

    fields = fields_of(type(app.conf))
    if name not in fields:
        hint = did_you_mean(name, fields, "see the guide to the configuration")
        raise ConfigError(f"ConfigPynenc has no setting {name!r}, which was given to isolated(): {hint}")
    setattr(app.conf, name, value)


def _open_manually(app: Pynenc) -> None:
    from pynenc._kernel.store_handle import open_manual_store

    runtime_of(app).opened.put(open_manual_store(app.conf))


def _require_empty(app: Pynenc, store: str) -> None:
    count = app.orchestrator.count_invocations()
    if count:
        url = runtime_of(app).store.url
        runtime_of(app).store.close()
        raise ValueError(
            f"the store {url} has {count} invocations of app {app.app_id!r}; a test needs an empty "
            "one, which it purges at its end"
        )
