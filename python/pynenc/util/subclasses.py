"""Find a class by its name among the imported subclasses of a base: how class-name settings select."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, TypeVar

from pynenc.util.near_names import did_you_mean

T = TypeVar("T")


def all_subclasses(base: type[T]) -> list[type[T]]:
    """Every imported subclass of `base`, however deep, each once, in order of definition within each parent."""
    found: dict[type[T], None] = {}
    waiting: list[type[Any]] = [base]
    while waiting:
        for subclass in waiting.pop(0).__subclasses__():
            if subclass not in found:
                found[subclass] = None
                waiting.append(subclass)
    return list(found)


def get_subclass(base: type[T], name: str) -> type[T]:
    """The subclass of `base` called `name`; the newest, if a module that defines it was loaded more than once.

    Raises:
        ValueError: no imported subclass has this name. The message names near ones, and lists those there are.
    """
    found: list[type[T]] = [subclass for subclass in all_subclasses(base) if subclass.__name__ == name]
    if found:
        return found[-1]
    raise unknown_subclass(base, name, [subclass.__name__ for subclass in all_subclasses(base) if is_public(subclass)])


def unknown_subclass(base: type[Any], name: str, known: Iterable[str]) -> ValueError:
    """The error for a name that none of the imported subclasses of `base` has."""
    names = sorted(set(known))
    hint = did_you_mean(name, names)
    return ValueError(
        f"Unknown subclass: no imported subclass of {base.__name__} is called {name!r}"
        f"{f': {hint}' if hint else ''} (known: {', '.join(names) or 'none'}). "
        "Import the module that defines it, or correct the name."
    )


def is_public(cls: type[Any]) -> bool:
    """Whether it is a class that somebody may choose: no part of the package's own machinery."""
    own = cls.__module__.startswith("pynenc.")
    return not inspect.isabstract(cls) and not (own and any(part.startswith("_") for part in cls.__module__.split(".")))
