"""What does not fit an annotation, in words: where it is, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pynenc.serializer.annotations import Slot
from pynenc.serializer.differences import type_name

ADVICE_FOR_RESULTS = ": return what the annotation says, or change the annotation"
"""To be appended where a body has returned what does not fit."""

_PATH = re.compile(r" - at `(?:key in )?\$\.?(?P<path>.*)`$", re.DOTALL)


def located(error: Exception, what: str) -> str:
    """The message, with `msgspec`'s path as the name of the argument or the place in the result."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    text = str(error)
    found = _PATH.search(text)
    if found is None or not found["path"]:
        return text
    return f"{what} {found['path']}: {text[: found.start()]}"


def advice(error: Exception, given: Mapping[str, Any], slots: Mapping[str, Slot]) -> str:
    """What the caller can do, to be appended: names the Python type that was given, where it is a whole argument."""
    if isinstance(error, RecursionError):
        return ": pass less deeply nested data"
    found = _PATH.search(str(error))
    name = found["path"] if found else ""
    if name in given and name in slots:
        kind, wanted = type(given[name]), slots[name].type
        if isinstance(wanted, type) and wanted not in kind.__mro__:
            also = f"{type_name(wanted)} | None" if given[name] is None else type_name(kind)
            return f", given {type_name(kind)}: pass {type_name(wanted)}, or annotate the parameter as {also}"
    return ": pass what the annotation of the parameter says, or change the annotation"
