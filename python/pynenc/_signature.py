"""Bind the arguments of a call as Python does, and give them back to the function as it wants them.

`inspect.Signature.bind` costs several microseconds per call and words its errors differently from Python. Here a
function with the same parameters is generated once per task; calling it lets the interpreter itself do the binding.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class CallSignature:
    """The parameters of one function."""

    __slots__ = ("_by_keyword_only", "_parameters", "_var_keyword", "bind", "names")

    def __init__(self, func: Callable[..., Any]) -> None:
        self._parameters = tuple(inspect.signature(func).parameters.values())
        self.names: tuple[str, ...] = tuple(parameter.name for parameter in self._parameters)
        self.bind: Callable[..., dict[str, Any]] = _binder(func, self._parameters)
        """Called like the function: `{parameter: value}`, defaults filled in; or `TypeError` as Python words it.

        What `*args` collects comes as a list under its name, what `**kwargs` collects as a dict under its name."""
        self._by_keyword_only = all(
            parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
            for parameter in self._parameters
        )
        self._var_keyword = next(
            (parameter.name for parameter in self._parameters if parameter.kind is inspect.Parameter.VAR_KEYWORD), None
        )

    def spread(self, bound: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What `bind` returned as `(args, kwargs)` to call the function with.

        Names that `bound` lacks get the function's own defaults. Names that the function does not know are passed on,
        so that the call raises `TypeError`.
        """
        if self._by_keyword_only:
            return (), dict(bound)
        rest = dict(bound)
        extra = rest.pop(self._var_keyword, None) if self._var_keyword is not None else None
        args: list[Any] = []
        for parameter in self._parameters:
            if parameter.kind in _POSITIONAL:
                if parameter.name in rest:
                    args.append(rest.pop(parameter.name))
                elif parameter.default is not parameter.empty:
                    args.append(parameter.default)
                else:
                    # Missing: everything after it would move into its place.
                    break
            elif parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                args.extend(rest.pop(parameter.name, ()))
        if extra:
            rest.update(extra)
        return tuple(args), rest


def _binder(func: Callable[..., Any], parameters: tuple[inspect.Parameter, ...]) -> Callable[..., dict[str, Any]]:
    """`def <func>(<same parameters>): return {<name>: <value>, …}`, made from the names and nothing else."""
    defaults: dict[str, Any] = {}
    written: list[str] = []
    values: list[str] = []
    for index, parameter in enumerate(parameters):
        text = parameter.name
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            text = f"*{text}"
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            text = f"**{text}"
        elif parameter.kind is inspect.Parameter.KEYWORD_ONLY and not _star_before(parameters[:index]):
            written.append("*")
        if parameter.default is not parameter.empty:
            # Only a name goes into the text; the value itself comes from the globals of the generated function.
            text += f"=_default_{index}"
            defaults[f"_default_{index}"] = parameter.default
        written.append(text)
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY and not _is_positional_only(parameters, index + 1):
            written.append("/")
        # A display, not a call of `list`: a parameter may have that name.
        value = f"[*{parameter.name}]" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else parameter.name
        values.append(f"{parameter.name!r}: {value}")
    source = f"def bind({', '.join(written)}): return {{{', '.join(values)}}}"
    namespace = dict(defaults)
    exec(compile(source, f"<arguments of {func.__qualname__}>", "exec"), namespace)
    binder: Callable[..., dict[str, Any]] = namespace["bind"]
    # The name that Python puts into its errors.
    binder.__name__, binder.__qualname__ = func.__name__, func.__qualname__
    return binder


def _star_before(parameters: tuple[inspect.Parameter, ...]) -> bool:
    return any(
        parameter.kind in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.KEYWORD_ONLY) for parameter in parameters
    )


def _is_positional_only(parameters: tuple[inspect.Parameter, ...], index: int) -> bool:
    return index < len(parameters) and parameters[index].kind is inspect.Parameter.POSITIONAL_ONLY
