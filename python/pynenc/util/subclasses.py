"""Find a class by its name among the imported subclasses of a base: how class-name settings select."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

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
    """Return the subclass of `base` called `name`.

    The newest, if a module that defines it was loaded more than once. A class with the name of one of pynenc's takes
    its place if it derives from it.

    Raises:
        ValueError: no imported subclass has this name; the message names near ones, and lists those there are. Or a
            class of pynenc has it, and another one which does not derive from that.
    """
    found: list[type[T]] = [subclass for subclass in all_subclasses(base) if subclass.__name__ == name]
    if not found:
        known = [subclass.__name__ for subclass in all_subclasses(base) if is_public(subclass)]
        raise unknown_subclass(base, name, known)
    ours = next((cls for cls in found if _is_ours(cls)), None)
    strangers = [] if ours is None else [cls for cls in found if not issubclass(cls, ours)]
    if strangers:
        raise ValueError(
            f"Ambiguous subclass: {name!r} is a {base.__name__} of pynenc, and also one of "
            f"{strangers[-1].__module__}, which does not derive from it. Rename the latter."
        )
    return found[-1]


def _is_ours(cls: type[Any]) -> bool:
    return cls.__module__.startswith("pynenc.")


class HasSources(Protocol):
    """Settings that know where each value comes from."""

    def source_of(self, name: str, /) -> str:
        """Return the source of a setting."""


def configured_subclass(base: type[T], conf: HasSources, field: str) -> type[T]:
    """Return the subclass of `base` that a setting names.

    Args:
        conf: the settings.
        field: the setting.

    Raises:
        ValueError: no imported subclass has this name. The message names the setting and its source too.
    """
    try:
        return get_subclass(base, getattr(conf, field))
    except ValueError as error:
        raise ValueError(f"{type(conf).__name__}.{field} (from {conf.source_of(field)}): {error}") from None


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
    """Return whether a class may be chosen by a user: it is no part of the package's internals."""
    return not inspect.isabstract(cls) and not (
        _is_ours(cls) and any(part.startswith("_") for part in cls.__module__.split("."))
    )
