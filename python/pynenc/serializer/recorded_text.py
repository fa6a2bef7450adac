"""Gives a decoded exception the text that it had where it was raised."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pynenc.serializer.exception_values import clean, safe_text

_KEY = "__recorded_text__"
"""Where an instance keeps its text. The name is no plain one, so it does not travel with the attributes."""


class RecordedText:
    """Base of classes whose instances have a recorded text, and otherwise are what their other base is."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Do not call the other base: it may register its subclasses, and this one is no class of the user's."""

    def __str__(self) -> str:
        return _text_of(self)

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({_text_of(self)!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        exc: Any = self
        state = {name: value for name, value in _attributes(exc).items() if name != _KEY}
        return (_restore, (type(self).__mro__[2], vars(BaseException)["args"].__get__(exc), state, _text_of(self)))

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return self.__reduce__()


def with_recorded_text(
    exc: BaseException, text: str, make: Callable[[type[BaseException]], BaseException]
) -> BaseException:
    """Return `exc`, or an instance of a subclass of its class whose text is `text` where that of `exc` differs.

    The text of an exception may use attributes that did not travel, and then raises at whoever shows the exception.

    Args:
        make: makes an instance of a class that C code defines; called only for a subclass of such a class.
    """
    if _shows(exc, text):
        return exc
    own: Any = type(exc)
    cls = _class_with_text(own)
    try:
        # Past the class, which may refuse to be changed. Refused for classes that C code defines.
        object.__setattr__(exc, "__class__", cls)
    except TypeError:
        attributes = _attributes(exc)
        exc = make(cls)
        _attributes(exc).update(attributes)
    _attributes(exc)[_KEY] = text
    return exc


def _shows(exc: BaseException, text: str) -> bool:
    """Whether `exc` prints itself as `text`, and has a representation."""
    try:
        if clean(str(exc)) != text:
            return False
        return isinstance(repr(exc), str)
    except BaseException:
        # Whatever the class of a user does.
        return False


@functools.lru_cache(maxsize=256)
def _class_with_text(cls: type[BaseException]) -> type[BaseException]:
    # Not by the metaclass, which may do anything with a new class.
    made: Any = type.__new__(
        type(cls),
        cls.__name__,
        (RecordedText, cls),
        {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__},
    )
    return made  # type: ignore[no-any-return]


def _restore(cls: type[BaseException], args: tuple[Any, ...], state: dict[str, Any], text: str) -> BaseException:
    from pynenc.serializer.exceptions_codec import make_without_init

    exc = make_without_init(cls, list(args))
    _attributes(exc).update(state)
    return with_recorded_text(exc, text, lambda made: make_without_init(made, list(args)))


def _text_of(exc: object) -> str:
    text = _attributes(exc).get(_KEY)
    return text if isinstance(text, str) else safe_text(str, exc)


def _attributes(exc: object) -> dict[str, Any]:
    attributes: dict[str, Any] = object.__getattribute__(exc, "__dict__")
    return attributes
