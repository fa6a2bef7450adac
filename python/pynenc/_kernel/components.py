"""Make objects of the classes that the settings `<component>_cls` name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from pynenc.conf.store_url import CLASS_PREFIX, kind_of, resolve_store_url
from pynenc.util.subclasses import configured_subclass, get_subclass

if TYPE_CHECKING:
    from pynenc.conf.config_pynenc import ConfigPynenc

T = TypeVar("T")


def component_class(conf: ConfigPynenc, name: str, base: type[T]) -> Callable[..., T]:
    """Return the class that the setting `<name>_cls` names, among the imported subclasses of `base`.

    Without this setting it is pynenc's own class for the kind of the store: `RedisBroker` for a store on Redis.

    Raises:
        ValueError: no imported subclass of `base` has this name. The message names the setting and its source too.
    """
    if getattr(conf, f"{name}_cls"):
        return configured_subclass(base, conf, f"{name}_cls")
    prefix = CLASS_PREFIX[kind_of(resolve_store_url(conf))]
    return get_subclass(base, base.__name__.replace("Base", prefix, 1))
