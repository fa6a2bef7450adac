"""Plugins: installed distributions with an entry point in the group `pynenc.plugins`."""

from __future__ import annotations

import importlib
import os
import threading
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pynenc.util.search_path import search_path

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "pynenc.plugins"

_lock = threading.RLock()
_loaded: set[str] = set()
_done = False
_builder: type | None = None


def load_plugins() -> list[str]:
    """Import every installed plugin, once per process.

    Making an app or a builder does this. The module of each entry point in the group `pynenc.plugins` is imported, so
    that its subclasses can be selected by name; an object with `register_builder_methods(builder_cls)` extends the
    builder. A plugin that cannot be imported or that raises is a `UserWarning`: the app works without it.

    Returns:
        The names of the plugins that could be imported.
    """
    global _done
    if _done:
        return sorted(_loaded)
    with _lock:
        if not _done:
            # Set before the import, because a plugin may create an app.
            _done = True
            if _any_installed():
                _load_all()
    return sorted(_loaded)


load_all_plugins = load_plugins


def _any_installed() -> bool:
    """Whether the metadata in the folders of `sys.path` has our group. `importlib.metadata` takes long to import."""
    group = f"[{GROUP}]".encode()
    for folder in search_path():
        if os.path.isfile(folder):
            # An archive may have anything in it.
            return True
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")):
                try:
                    with open(os.path.join(folder or ".", name, "entry_points.txt"), "rb") as file:
                        if group in file.read():
                            return True
                except OSError:
                    continue
    return False


def _entries() -> Iterator[EntryPoint]:
    """Yield the plugins of every distribution. `importlib.metadata.entry_points` fails for bytes in `sys.path`."""
    from importlib.metadata import distributions

    seen: set[str] = set()
    for distribution in distributions(path=search_path()):
        if distribution.name not in seen:
            # The first distribution on the path hides the others.
            seen.add(distribution.name)
            yield from distribution.entry_points.select(group=GROUP)


def register_builder(cls: type) -> None:
    """Make `cls` the builder that plugins extend. The module of the class does this."""
    global _builder
    _builder = cls


def _builder_class() -> type | None:
    if _builder is None:
        # The builder registers itself when it is imported, so this module need not import it.
        importlib.import_module("pynenc.builder")
    return _builder


def _load_all() -> None:
    for entry in _entries():
        try:
            plugin = entry.load()
            register = getattr(plugin, "register_builder_methods", None)
            if register is not None:
                register(_builder_class())
        except Exception as error:
            warnings.warn(
                f"the plugin {entry.name!r} ({entry.value}) of the entry points {GROUP!r} cannot be used: "
                f"{type(error).__name__}: {error}",
                stacklevel=4,
            )
        else:
            _loaded.add(entry.name)
