"""Find a class by its name among the imported subclasses of a base: how class-name settings select."""

from __future__ import annotations

from typing import Any, TypeVar

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
        ValueError: no imported subclass has this name. The message lists those there are.
    """
    found: list[type[T]] = [subclass for subclass in all_subclasses(base) if subclass.__name__ == name]
    if found:
        return found[-1]
    known = ", ".join(sorted({subclass.__name__ for subclass in all_subclasses(base)})) or "none"
    raise ValueError(
        f"Unknown subclass: no imported subclass of {base.__name__} is called {name!r} (known: {known}). "
        "Import the module that defines it, or correct the name."
    )
