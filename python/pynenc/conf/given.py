"""Check settings from code when they are passed, before an object reads them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

import pynenc.conf
from pynenc.conf.base import ConfigBase, checked, config_id, fields_of
from pynenc.conf.config_task import ConfigTask
from pynenc.conf.store_url import check_redis_url, check_store_url, sqlite_url
from pynenc.conf.task_sources import TASK_DEFAULTS
from pynenc.exceptions import ConfigError, ConfigMultiInheritanceError
from pynenc.util.subclasses import all_subclasses

_FORMS: dict[str, Callable[[str, str], object]] = {
    "store_url": check_store_url,
    "redis_url": check_redis_url,
    "sqlite_db_path": sqlite_url,
}


def check_given(settings: Mapping[str, Any], source: str) -> None:
    """Check the settings of an app. A name that no imported configuration class has is not checked.

    Raises:
        ConfigError: a value that every configuration class with this field refuses.
    """
    classes = config_classes()
    for name, value in settings.items():
        if isinstance(value, Mapping) and name == TASK_DEFAULTS:
            _check_section([ConfigTask], value, f"{source}, {name}")
        elif isinstance(value, Mapping) and (named := [cls for cls in classes if config_id(cls) == name]):
            _check_section(named, value, f"{source}, section {name!r}")
        else:
            _check(classes, name, value, source)


def config_classes() -> list[type[ConfigBase]]:
    """Return every usable configuration class: those of pynenc, and all others that are imported."""
    for module in pkgutil.iter_modules(pynenc.conf.__path__):
        importlib.import_module(f"pynenc.conf.{module.name}")
    return [cls for cls in all_subclasses(ConfigBase) if _is_usable(cls)]


def _is_usable(cls: type[ConfigBase]) -> bool:
    try:
        fields_of(cls)
    except ConfigMultiInheritanceError:
        # The class raises this error when it is instantiated; other classes must still work.
        return False
    return True


def _check_section(classes: list[type[ConfigBase]], values: Mapping[str, Any], source: str) -> None:
    for name, value in values.items():
        _check(classes, name, value, source)


def _check(classes: list[type[ConfigBase]], name: str, value: Any, source: str) -> None:
    if name == "retry_for" and _has_texts(value):
        # Reading the names would import their modules, possibly the module that is being imported now.
        return
    refusal: ConfigError | None = None
    for cls in classes:
        field = fields_of(cls).get(name)
        if field is None:
            continue
        try:
            converted = checked(cls, field, value, source)
        except ConfigError as error:
            refusal = refusal or error
            continue
        form = _FORMS.get(name)
        if form is not None and converted:
            form(converted, source)
        return
    if refusal is not None:
        raise refusal


def _has_texts(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, (list, tuple, set, frozenset)) and any(map(_has_texts, value)))
