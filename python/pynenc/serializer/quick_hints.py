"""Annotations that are classes, or lists, dicts and unions of classes: evaluated without `typing`.

`typing.get_type_hints` compiles the text of each annotation anew. An app with thousands of tasks writes the same few
texts again and again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import CodeType, FunctionType, GenericAlias, NoneType, UnionType
from typing import Any

_KEPT = 4096


def quick_hints(func: Callable[..., Any]) -> dict[str, Any] | None:
    """Return the evaluated annotations by name; None where `typing` has to look at them.

    Raises whatever the code of an annotation raises.
    """
    if type(func) is not FunctionType or hasattr(func, "__wrapped__") or getattr(func, "__type_params__", None):
        return None
    namespace, hints = func.__globals__, {}
    for name, written in func.__annotations__.items():
        hint = eval(_compiled(written), namespace) if type(written) is str else written
        if hint is None:
            hint = NoneType
        elif not _is_simple(hint):
            return None
        hints[name] = hint
    return hints


@functools.lru_cache(_KEPT)
def _compiled(text: str) -> CodeType:
    return compile(text, "<annotation>", "eval")


def _is_simple(hint: Any) -> bool:
    kind = type(hint)
    if kind is GenericAlias or kind is UnionType:
        return all(map(_is_simple, hint.__args__))
    return isinstance(hint, type)
