"""Give a decoded exception the text that it had in the process that raised it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pynenc.serializer.exception_values import clean, safe_text

_KEY = "__recorded_text__"
"""The attribute with the text of an instance. The name is no identifier, so it is not encoded with the others."""


class RecordedText:
    """A base of classes whose instances have a recorded text and otherwise behave like their other base."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Skip the other base, which may register its subclasses; the generated class is not the user's."""

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
    """Return `exc`, or, if its text differs from `text`, an instance of a subclass with this text.

    The text of an exception may use attributes that were not encoded; printing the exception would then raise.

    Args:
        make: creates an instance of a class defined in C; called only for a subclass of such a class.
    """
    if _shows(exc, text):
        return exc
    own: Any = type(exc)
    cls = _class_with_text(own)
    try:
        # Bypasses the class, which may refuse assignments. Fails for classes defined in C.
        object.__setattr__(exc, "__class__", cls)
    except TypeError:
        attributes = _attributes(exc)
        exc = make(cls)
        _attributes(exc).update(attributes)
    _attributes(exc)[_KEY] = text
    return exc


def _shows(exc: BaseException, text: str) -> bool:
    """Return whether `exc` prints as `text`, and has a representation."""
    try:
        if clean(str(exc)) != text:
            return False
        return isinstance(repr(exc), str)
    except BaseException:
        # A user's class may raise anything.
        return False


@functools.lru_cache(maxsize=256)
def _class_with_text(cls: type[BaseException]) -> type[BaseException]:
    # Created without the metaclass, which may do anything with a new class.
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
