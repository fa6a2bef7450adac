"""Which constructor call gives which app object."""

from __future__ import annotations

import inspect
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from pynenc._kernel.runtime import runtime_of
from pynenc._kernel.shapes import AppShape
from pynenc.conf.masking import is_spawning, without_secrets
from pynenc.conf.store_url import resolve_store_url
from pynenc.exceptions import ConfigError
from pynenc.plugin_loader import load_plugins

if TYPE_CHECKING:
    from pynenc.serializer.payload_codec import PayloadCodec

_lock = threading.RLock()
_by_id: dict[str, list[AppShape]] = {}
"""The apps of this process, by their ids."""
_bootstrap: dict[str, AppShape] = {}
"""In a process that was spawned with an app: that app, by its id."""


class AppMeta(type):
    """Makes `Pynenc(…)` return the same object for the same app id and settings.

    In a worker that was spawned with an app, every constructor call with the id of that app returns it: the modules
    that are imported again there must not make a second one.
    """

    def _make(cls, *args: Any, payload_codec: PayloadCodec | None = None, **kwargs: Any) -> Any:
        load_plugins()
        if _has_own_constructor(cls):
            # It may do anything with its arguments, so it gets them as they are.
            given = kwargs if payload_codec is None else {**kwargs, "payload_codec": payload_codec}
            made = cast("AppShape", super().__call__(*args, **given))
            made.__dict__["_constructed_with"] = _by_name(cls, args, kwargs)
            return cls._known_or(made)
        app = cls._find_or_make(*args, **kwargs)
        # A module that is imported a second time makes another codec, and has the app with the first.
        if payload_codec is not None and app.payload_codec is None:
            app.payload_codec = payload_codec
        return app

    def _find_or_make(cls, *args: Any, **kwargs: Any) -> AppShape:
        app_id, values, filepath = normalise(*args, **kwargs)
        return cls._known_or(cast("AppShape", super().__call__(app_id, values, filepath)))

    def _known_or(cls, made: AppShape) -> AppShape:
        """The app that was made like `made` before; else `made`, which is known from now on."""
        name = runtime_of(made).sources.given_id or made.app_id
        with _lock:
            if name in _bootstrap:
                return _bootstrap[name]
            known = _by_id.setdefault(name, [])
            for app in known:
                same_arguments = _made_with(app) == _made_with(made) and _same_constructor(app, made)
                if type(app) is type(made) and same_arguments:
                    return app
            known.append(made)
            return made

    if not TYPE_CHECKING:
        # Type checkers take what `__init__` says: from here Pyright would take the result, which says nothing.
        __call__ = _make

    def unpickled(
        cls, app_id: str, values: dict[str, Any], filepath: str | None, given: dict[str, Any] | None = None
    ) -> Any:
        """The app that came with a pickle, which has no secrets unless `multiprocessing` made it for this process.

        An app that this process has already is taken for it if nothing but secrets tells them apart.

        Args:
            given: the arguments of a constructor of its own, by name.
        """
        with _lock:
            made_as = cast("type[AppShape]", cls)
            known = [app for app in _by_id.get(app_id, ()) if type(app) is made_as]
            same = [app for app in known if _made_with(app) == (values, filepath)]
            same += [
                app for app in known if (without_secrets(_made_with(app)[0]), _made_with(app)[1]) == (values, filepath)
            ]
        if same and app_id not in _bootstrap:
            app = same[0]
        elif given is None:
            app = cls(app_id, values, filepath)
        else:
            app = cls(*given["args"], **given["kwargs"])
        if _is_spawned():
            _bootstrap.setdefault(app_id, app)
        return app


def make_known(app: AppShape) -> None:
    """Have the constructor find `app` under the id that it has now."""
    known = _by_id.setdefault(app.app_id, [])
    if app not in known:
        known.append(app)


def forget_all() -> None:
    """Forget every app, so that the next one with the same arguments is new. For tests."""
    _by_id.clear()
    _bootstrap.clear()


def on_the_same_store(app: AppShape) -> list[AppShape]:
    """Return the apps of this process that work on the store of `app`, itself included."""
    url = resolve_store_url(app.conf)
    # Each app in memory has a store of its own.
    alone = url.startswith("memory:")
    known = [] if alone else [one for apps in list(_by_id.values()) for one in list(apps)]
    return [app, *(one for one in known if one is not app and resolve_store_url(one.conf) == url)]


def _made_with(app: AppShape) -> tuple[dict[str, Any], str | None]:
    return runtime_of(app).sources.made_with


def reduced(app: AppShape) -> tuple[Any, ...]:
    """What a pickle of an app holds: its class, id, and what it was made with, less secrets."""
    values, filepath = _made_with(app)
    own = app.__dict__.get("_constructed_with")
    given = None if own is None else {"args": own[0], "kwargs": own[1]}
    if is_spawning():
        return (_restore, (type(app), app.app_id, values, filepath, given, runtime_of(app).sources.folder))
    given = None if given is None else without_secrets(given)
    return (_restore, (type(app), app.app_id, without_secrets(values), filepath, given))


def _restore(
    cls: AppMeta,
    app_id: str,
    config_values: dict[str, Any],
    config_filepath: str | None,
    given: dict[str, Any] | None = None,
    folder: str = "",
) -> AppShape:
    app: AppShape = cls.unpickled(app_id, config_values, config_filepath, given)
    if folder and runtime_of(app).opened_url is None:
        # `multiprocessing` starts a process in the present working folder of its parent.
        runtime_of(app).move(folder)
    return app


def _by_name(cls: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of a constructor, as many as possible as keyword arguments: secrets are recognised by their names."""
    # The signature of a class with a metaclass is that of the metaclass.
    _, *parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
    bound = inspect.Signature(parameters).bind(*args, **kwargs)
    if len(bound.args) > sum(one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD for one in parameters):
        return args, kwargs
    named = dict(bound.arguments)
    for one in parameters:
        if one.kind is inspect.Parameter.VAR_KEYWORD:
            named.update(named.pop(one.name, {}))
        elif one.kind is inspect.Parameter.VAR_POSITIONAL:
            named.pop(one.name, None)
    return (), named


def _has_own_constructor(cls: type) -> bool:
    """Whether a subclass of `Pynenc` has an `__init__` of its own, with parameters of its own."""
    return cls.__init__ is not _root(cls).__init__  # type: ignore[misc]


def _root(cls: type) -> type:
    """`Pynenc` itself."""
    return next(one for one in reversed(cls.__mro__) if isinstance(one, AppMeta))


def _same_constructor(app: AppShape, made: AppShape) -> bool:
    try:
        return bool(app.__dict__.get("_constructed_with") == made.__dict__.get("_constructed_with"))
    except Exception:
        # Values that cannot be compared, such as arrays.
        return False


def normalise(
    *args: Any, app_id: str | None = None, config_values: Any = None, config_filepath: Any = None
) -> tuple[str | None, dict[str, Any] | None, str | None]:
    """The arguments of both constructors by name: `(app_id, values, filepath)` and `(values, filepath)`.

    Raises:
        TypeError: they fit neither.
    """
    given = list(args)
    named = {"app_id": app_id, "config_values": config_values, "config_filepath": config_filepath}
    while given and given[-1] is None:
        given.pop()
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
    values = named["config_values"]
    if values is not None:
        # They are read several times.
        values = {key: list(each) if isinstance(each, Iterator) else each for key, each in values.items()}
    return named["app_id"], values, filepath


def _is_spawned() -> bool:
    """Whether this process is a worker that `multiprocessing` has started."""
    processes = sys.modules.get("multiprocessing.process")
    if processes is None:
        return False
    # While it unpickles what it was started with it does not know its parent yet.
    return processes.parent_process() is not None or getattr(processes.current_process(), "_inheriting", False)
