"""Describe a value that does not fit its annotation: its path and the remedy."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pynenc.serializer.annotations import Slot
from pynenc.serializer.differences import type_name

ADVICE_FOR_RESULTS = ": return what the annotation says, or change the annotation"
"""The remedy that is appended to errors about a result."""

_PATH = re.compile(r" - at `(?:key in )?\$\.?(?P<path>.*)`$", re.DOTALL)


def located(error: Exception, what: str) -> str:
    """Return the message, with `msgspec`'s path as the name of the argument or the path in the result."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    text = str(error)
    found = _PATH.search(text)
    if found is None or not found["path"]:
        return text
    return f"{what} {found['path']}: {text[: found.start()]}"


def advice(error: Exception, given: Mapping[str, Any], slots: Mapping[str, Slot]) -> str:
    """Return the remedy to append; it names the given Python type if the fault is a whole argument."""
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
