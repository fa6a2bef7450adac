"""Derive the decoder types of the parameters and the result of a task from its annotations."""

from __future__ import annotations

import inspect
import logging
import typing
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple, get_args, get_origin

import msgspec

from pynenc.serializer.checks import SCALARS
from pynenc.serializer.hooks import DecodeHook
from pynenc.serializer.quick_hints import quick_hints
from pynenc.util.signature import naming_parameters

_EMPTY = inspect.Parameter.empty


class Slot(NamedTuple):
    """The type of a parameter or of the result."""

    name: str
    type: Any
    """The type that `msgspec` decodes to; Any if the annotation is missing or unusable."""
    plain_only: str
    """Why the annotation is unusable, so that only plain JSON types are accepted; empty if it is usable."""
    default: Any
    """The default of a parameter, or `inspect.Parameter.empty`."""


def slots_of(
    task_id: str, func: Callable[..., Any], hook: DecodeHook, logger: logging.Logger
) -> tuple[list[Slot], Slot]:
    """Return the slots of the parameters of `func` in order, and of its result. Logs unusable annotations."""
    hints, problems = _hints(func)
    parameters = [
        _slot(
            parameter.name,
            _of_parameter(parameter, hints.get(parameter.name, _EMPTY)),
            problems.get(parameter.name),
            hook,
            parameter.default,
        )
        for parameter in naming_parameters(func)
    ]
    result = _slot("return", hints.get("return", _EMPTY), problems.get("return"), hook, _EMPTY)
    for slot in (*parameters, result):
        if slot.plain_only:
            logger.warning(
                "the annotation of the %s of task %s cannot be used to decode values, so only plain JSON types can "
                "travel there: %s",
                "result" if slot is result else f"parameter {slot.name!r}",
                task_id,
                slot.plain_only,
            )
    return parameters, result


def _slot(name: str, hint: Any, problem: str | None, hook: DecodeHook, default: Any) -> Slot:
    if problem is None:
        if type(hint) is type and hint in SCALARS:
            return Slot(name, hint, "", default)
        if hint is _EMPTY or hint in (typing.NoReturn, typing.Never):
            return Slot(name, Any, "", default)
        try:
            msgspec.json.Decoder(hint, dec_hook=hook)
            return Slot(name, hint, "", default)
        except Exception as error:
            # The evaluation of annotations may raise any exception of user code.
            problem = f"{type(error).__name__}: {error}"
    return Slot(name, Any, problem, default)


def _of_parameter(parameter: inspect.Parameter, hint: Any) -> Any:
    """Return the type of the encoded value: a list for `*args`, a dict for `**kwargs`."""
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        return list[Any] if hint is _EMPTY or _is_variadic(hint) else list[hint]
    if parameter.kind is inspect.Parameter.VAR_KEYWORD:
        if get_origin(hint) is typing.Unpack:
            return get_args(hint)[0]
        return dict[str, Any] if hint is _EMPTY or _is_variadic(hint) else dict[str, hint]
    if parameter.default is None and hint is not _EMPTY:
        # `x: int = None` is common, so None must be accepted there.
        return hint | None if isinstance(hint, type) else typing.Optional[hint]  # noqa: UP045
    return hint


def _is_variadic(hint: Any) -> bool:
    return get_origin(hint) is typing.Unpack or isinstance(hint, typing.ParamSpecArgs | typing.ParamSpecKwargs)


def _hints(func: Callable[..., Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the evaluated annotations by name, and the errors of all others by name."""
    try:
        quick = quick_hints(func)
        return typing.get_type_hints(func, include_extras=True) if quick is None else quick, {}
    except Exception:
        # Evaluated separately, so that a name that exists only for type checkers does not affect the others.
        return _hints_one_by_one(func)


def _hints_one_by_one(func: Callable[..., Any]) -> tuple[dict[str, Any], dict[str, str]]:
    hints: dict[str, Any] = {}
    problems: dict[str, str] = {}
    names = {*(parameter.name for parameter in naming_parameters(func)), "return"}
    try:
        written = dict(inspect.get_annotations(inspect.unwrap(func)))
    except Exception as error:
        return {}, dict.fromkeys(names, f"{type(error).__name__}: {error}")
    for name, annotation in written.items():
        carrier = FunctionType(_nothing.__code__, getattr(inspect.unwrap(func), "__globals__", {}))
        carrier.__annotations__ = {name: annotation}
        try:
            hints[name] = typing.get_type_hints(carrier, include_extras=True)[name]
        except Exception as error:
            problems[name] = f"{type(error).__name__}: {error} (import it where the task is defined, also at run time)"
    return hints, problems


def _nothing() -> None:
    """Provide the code of functions that exist only for their annotations."""
