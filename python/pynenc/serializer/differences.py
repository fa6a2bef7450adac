"""Find the first part of a value that comes back from JSON changed, and describe it in an error."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pynenc.serializer.annotations import Slot
from pynenc.serializer.app_values import is_invocation_class, is_task
from pynenc.serializer.checks import SCALARS, fields_of_value
from pynenc.serializer.hooks import is_json_serializable
from pynenc.serializer.user_code import is_pydantic

_MAX_STEPS = 50


class Difference(NamedTuple):
    """A part of a value that comes back changed."""

    path: str
    before: Any
    what: str
    """The change in words: `would come back as str, not datetime.datetime`."""


def difference(before: Any, after: Any, path: str) -> Difference | None:
    """Compare a value with its decoded form: types, keys, lengths, and the values of plain types.

    An `int` for a `float` is no difference, as long as it has the same value.
    """
    kind, became = type(before), type(after)
    if kind is not became:
        if kind is int and became is float and before == after:
            return None
        if is_invocation_class(kind) and is_invocation_class(became):
            return None
        if is_pydantic(became) and issubclass(kind, became) and _keeps_all(before, after):
            # Fields without an annotation in the base have become plain JSON.
            return _of_models(before, after, path)
        return Difference(path, before, f"would come back as {type_name(became)}, not {type_name(kind)}")
    if kind in SCALARS:
        return None if before == after else Difference(path, before, f"would come back as {_short(after)}")
    if is_task(kind) or is_invocation_class(kind):
        return None
    if isinstance(before, dict):
        return _of_dicts(before, after, path)
    if isinstance(before, list | tuple | deque):
        return _of_sequences(before, after, path)
    if isinstance(before, set | frozenset):
        if before == after and set(map(type, before)) == set(map(type, after)):
            return None
        return Difference(path, before, "would come back with other elements")
    if is_pydantic(kind):
        return _of_models(before, after, path)
    fields, others = fields_of_value(before), fields_of_value(after)
    if fields:
        return next(_found(difference(one, others.get(name), f"{path}.{name}") for name, one in fields.items()), None)
    if is_json_serializable(kind) or getattr(kind, "__eq__", None) is object.__eq__:
        # Its class defines how it is encoded and decoded.
        return None
    # NaN is not equal to itself.
    same = bool(before == after) or bool(before != before)
    return None if same else Difference(path, before, "would come back with another value")


def _of_dicts(before: dict[Any, Any], after: dict[Any, Any], path: str) -> Difference | None:
    if isinstance(before, defaultdict) and before.default_factory is not after.default_factory:  # type: ignore[attr-defined]
        return Difference(path, before, "would come back without its default_factory")
    if set(map(type, before)) != set(map(type, after)):
        if set(map(type, after)) <= {str}:
            subclass = next((type(key) for key in before if type(key) is not str), None)
            if subclass is not None and all(isinstance(key, str) for key in before):
                return Difference(path, before, f"has keys of type {type_name(subclass)}, which would come back as str")
            what = "is a dict with keys that are not text, which would come back as text"
            return Difference(path, before, what)
        return Difference(path, before, "would come back with other keys")
    for key, one in before.items():
        if key not in after:
            return Difference(f"{path}[{key!r}]", one, "would be lost: the annotation has no such key")
        found = difference(one, after[key], f"{path}[{key!r}]")
        if found is not None:
            return found
    return None


def _of_sequences(before: Any, after: Any, path: str) -> Difference | None:
    if len(before) != len(after):
        return Difference(path, before, f"would come back with {len(after)} items, not {len(before)}")
    if isinstance(before, deque) and before.maxlen != after.maxlen:
        return Difference(path, before, "would come back without its maxlen")
    names = getattr(type(before), "_fields", None)
    for index, (one, other) in enumerate(zip(before, after, strict=True)):
        found = difference(one, other, f"{path}.{names[index]}" if names else f"{path}[{index}]")
        if found is not None:
            return found
    return None


def _of_models(before: Any, after: Any, path: str) -> Difference | None:
    kept, others = _model_parts(before), _model_parts(after)
    return next(_found(difference(one, others.get(name), f"{path}.{name}") for name, one in kept.items()), None)


def _model_parts(model: Any) -> dict[str, Any]:
    """Return the fields that a pydantic model encodes itself, with those accepted by `extra="allow"`."""
    fields = type(model).model_fields
    own = {name: value for name, value in vars(model).items() if name in fields and not fields[name].exclude}
    return own | (model.__pydantic_extra__ or {})


def _keeps_all(before: Any, after: Any) -> bool:
    """Return whether a model of the base class with extra fields has all fields of the subclass."""
    return _model_parts(before).keys() <= _model_parts(after).keys()


def _found(ones: Iterator[Difference | None] | Any) -> Iterator[Difference]:
    return (one for one in ones if one is not None)


def locate(value: Any, path: str, fails: Callable[[Any], Any]) -> str:
    """Return the path of the innermost part of `value` for which `fails` raises."""
    for _ in range(_MAX_STEPS):
        for step, part in _parts(value):
            try:
                fails(part)
            except Exception:
                value, path = part, f"{path}{step}"
                break
        else:
            return path
    return path


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((f"[{key!r}]", part) for key, part in value.items())
    elif isinstance(value, list | tuple | deque):
        yield from ((f"[{index}]", part) for index, part in enumerate(value))
    elif not is_pydantic(type(value)):
        yield from ((f".{name}", part) for name, part in fields_of_value(value).items())


def remedy(found: Difference, slot: Slot) -> str:
    """Return the remedies for the caller, in words."""
    other = "declare the task with lossy=True, or choose another serializer_cls"
    if slot.plain_only:
        return f"the annotation cannot be used ({slot.plain_only}); correct it, {other}"
    if slot.name == "**":
        return f"the function inside does not take it, so pass plain JSON, {other}"
    what = "result" if slot.name == "return" else "parameter"
    if is_task(type(found.before)):
        return f"annotate it as Task, {other}"
    if is_invocation_class(type(found.before)):
        return f"a forgotten await? Pass its result, or annotate it as DistributedInvocation, or {other}"
    if isinstance(found.before, dict) and "keys that are not text" in found.what:
        return f"annotate it, as in dict[int, str], {other}"
    if slot.type is Any or slot.type is object:
        return f"annotate the {what} with its type, {other}"
    return f"pass what the annotation of the {what} says, change the annotation, {other}"


def type_name(kind: type[Any]) -> str:
    """Return the name of a class as a caller writes it: `int`, `datetime.datetime`, `shop.models.Circle`."""
    if kind is type(None):
        return "None"
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
