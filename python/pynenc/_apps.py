"""Which constructor call gives which app object."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, cast

from pynenc.conf.masking import without_secrets
from pynenc.exceptions import ConfigError

if TYPE_CHECKING:
    from pynenc.app import Pynenc
    from pynenc.serializer.payload_codec import PayloadCodec

_lock = threading.RLock()


class AppMeta(type):
    """Makes `Pynenc(…)` return the same object for the same app id and settings.

    In a worker that was spawned with an app, every constructor call with the id of that app returns it: the modules
    that are imported again there must not make a second one.
    """

    _by_id: dict[str, list[Pynenc]]
    _bootstrap: dict[str, Pynenc]

    def _make(cls, *args: Any, payload_codec: PayloadCodec | None = None, **kwargs: Any) -> Any:
        app = cls._find_or_make(*args, **kwargs)
        # A module that is imported a second time makes another codec, and has the app with the first.
        if payload_codec is not None and app.payload_codec is None:
            app.payload_codec = payload_codec
        return app

    def _find_or_make(cls, *args: Any, **kwargs: Any) -> Pynenc:
        app_id, values, filepath = normalise(*args, **kwargs)
        made = cast("Pynenc", super().__call__(app_id, values, filepath))
        name = app_id or made.app_id
        with _lock:
            if name in cls._bootstrap:
                return cls._bootstrap[name]
            known = cls._by_id.setdefault(name, [])
            for app in known:
                if type(app) is type(made) and app._made_with == made._made_with:
                    return app
            known.append(made)
            return made

    if not TYPE_CHECKING:
        # Type checkers take what `__init__` says: from here Pyright would take the result, which says nothing.
        __call__ = _make

    def unpickled(cls, app_id: str, values: dict[str, Any], filepath: str | None) -> Any:
        """The app that came with a pickle, which has no secrets unless `multiprocessing` made it for this process.

        An app that this process has already is taken for it if nothing but secrets tells them apart.
        """
        with _lock:
            made_as = cast("type[Pynenc]", cls)
            known = [app for app in cls._by_id.get(app_id, ()) if type(app) is made_as]
            same = [app for app in known if app._made_with == (values, filepath)]
            same += [
                app for app in known if (without_secrets(app._made_with[0]), app._made_with[1]) == (values, filepath)
            ]
        app = same[0] if same and app_id not in cls._bootstrap else cls(app_id, values, filepath)
        if _is_spawned():
            cls._bootstrap.setdefault(app_id, app)
        return app


def normalise(
    *args: Any, app_id: str | None = None, config_values: Any = None, config_filepath: Any = None
) -> tuple[str | None, dict[str, Any] | None, str | None]:
    """The arguments of both constructors by name: `(app_id, values, filepath)` and `(values, filepath)`.

    Raises:
        TypeError: they fit neither.
    """
    given = list(args)
    named = {"app_id": app_id, "config_values": config_values, "config_filepath": config_filepath}
    # Without the leading id if the first one is a dict, or cannot be anything but a skipped id.
    order = ["app_id", "config_values", "config_filepath"]
    if given and isinstance(given[0], dict):
        order = order[1:]
    if len(given) > len(order):
        raise TypeError(f"Pynenc() takes at most {len(order)} positional arguments here, got {len(given)}")
    for name, value in zip(order, given, strict=False):
        if value is not None and named[name] is not None:
            raise TypeError(f"Pynenc() got multiple values for argument {name!r}")
        named[name] = value if value is not None else named[name]
    filepath = named["config_filepath"]
    if filepath is not None and not isinstance(filepath, str):
        filepath = str(filepath)
    if named["app_id"] is not None and not isinstance(named["app_id"], str):
        raise TypeError(f"Pynenc(): app_id must be a str, got {type(named['app_id']).__name__}")
    if named["config_values"] is not None and not isinstance(named["config_values"], dict):
        raise TypeError(f"Pynenc(): config_values must be a dict, got {type(named['config_values']).__name__}")
    if named["app_id"] == "":
        raise ConfigError("ConfigPynenc.app_id must not be empty (from the arguments of Pynenc)")
    return named["app_id"], named["config_values"], filepath


def _is_spawned() -> bool:
    """Whether this process is a worker that `multiprocessing` has started."""
    processes = sys.modules.get("multiprocessing.process")
    if processes is None:
        return False
    # While it unpickles what it was started with it does not know its parent yet.
    return processes.parent_process() is not None or getattr(processes.current_process(), "_inheriting", False)
