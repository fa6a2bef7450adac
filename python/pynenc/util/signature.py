"""Bind the arguments of a call like Python, and return them to the function as the caller passed them.

`inspect.Signature.bind` takes several microseconds per call and words its errors differently from Python. Here a
function with the same parameters is generated once per task; calling it lets the interpreter do the binding.

Omitted arguments stay omitted, so that the function, or a decorator around it, fills them in where it runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType
from typing import Any

_Parameters = tuple[inspect.Parameter, ...]
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VAR_POSITIONAL, _VAR_KEYWORD = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
_EMPTY = inspect.Parameter.empty
_ARGS, _KWARGS = "*", "**"
_ANYTHING = (inspect.Parameter("args", _VAR_POSITIONAL), inspect.Parameter("kwargs", _VAR_KEYWORD))


class Bound(dict[str, Any]):
    """The arguments of one call of a decorated function: by name, with the number of positional ones."""

    __slots__ = ("by_outer", "positional")

    def __init__(self, arguments: Mapping[str, Any], positional: int, by_outer: bool = False) -> None:
        """
        Args:
            positional: how many arguments the caller passed by position.
            by_outer: the names are those of the decorator's own parameters, such as `args` and `kwargs`.
        """
        super().__init__(arguments)
        self.positional = positional
        self.by_outer = by_outer


class CallSignature:
    """The parameters of one function. For a decorated function the outermost callable decides which arguments are
    accepted.
    """

    __slots__ = ("_by_keyword_only", "_outer", "_outer_bind", "_partial", "bind", "names", "parameters")

    def __init__(self, func: Callable[..., Any]) -> None:
        self._outer = _own_parameters(func)
        self.parameters = naming_parameters(func)
        """The parameters that give the arguments their names and types."""
        self.names: tuple[str, ...] = tuple(parameter.name for parameter in self.parameters)
        self.bind: Callable[..., dict[str, Any]]
        """Called like the function: returns `{parameter: value}` of the passed arguments, or raises Python's
        `TypeError`.

        `*args` becomes a list under its name, `**kwargs` a dict under its name.
        """
        self._outer_bind = _binder(func, self._outer)
        if is_decorated(func):
            self._partial = _binder(func, self.parameters, partial=True)
            self.bind = self._bind_decorated
        else:
            self.bind = self._outer_bind
        self._by_keyword_only = all(
            parameter.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
            for parameter in self.parameters
        )

    def _bind_decorated(self, /, *args: Any, **kwargs: Any) -> dict[str, Any]:
        accepted = self._outer_bind(*args, **kwargs)
        try:
            return Bound(self._partial(*args, **kwargs), len(args))
        except TypeError:
            # The decorator accepts arguments that the inner function does not.
            return Bound(accepted, len(args), by_outer=True)

    def spread(self, bound: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Convert the result of `bind` into `(args, kwargs)` for the function.

        Names that the function does not know are passed on, so that the call raises `TypeError`.
        """
        if isinstance(bound, Bound):
            return _spread_as_passed(self._outer if bound.by_outer else self.parameters, bound)
        if self._by_keyword_only:
            return (), dict(bound)
        return _spread(self.parameters, bound)

    def named(self, bound: Bound) -> Iterator[tuple[str, Any]]:
        """Return the arguments under the caller's names, including each collected by `**kwargs`."""
        parameters = self._outer if bound.by_outer else self.parameters
        collecting = {one.name for one in parameters if one.kind is _VAR_KEYWORD}
        for name, value in bound.items():
            if name in collecting:
                yield from value.items()
            else:
                yield name, value

    def packed(self, bound: dict[str, Any]) -> dict[str, Any]:
        """Return the result of `bind` as a plain dict, for serializers that encode whole objects."""
        if not isinstance(bound, Bound):
            return bound
        args, kwargs = self.spread(bound)
        return {_ARGS: args, _KWARGS: kwargs}

    def unpacked(self, packed: dict[str, Any]) -> dict[str, Any]:
        """The inverse of `packed`. `TypeError` if the function does not take these arguments any more."""
        if packed.keys() != {_ARGS, _KWARGS}:
            return packed
        return self.bind(*packed[_ARGS], **packed[_KWARGS])

    def filled(self, bound: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of `bind` with a value for every parameter: the default of an omitted one.

        A decorator may fill in another value, so arguments of a decorated function stay unchanged.
        """
        if isinstance(bound, Bound):
            return dict(bound)
        full: dict[str, Any] = {}
        for parameter in self.parameters:
            if parameter.name in bound:
                full[parameter.name] = bound[parameter.name]
            elif parameter.kind is _VAR_POSITIONAL:
                full[parameter.name] = []
            elif parameter.kind is _VAR_KEYWORD:
                full[parameter.name] = {}
            elif parameter.default is not _EMPTY:
                full[parameter.name] = parameter.default
        return {**full, **bound} if len(full) < len(bound) else full


def is_decorated(func: Callable[..., Any]) -> bool:
    """Whether calling it may run code that sees other parameters than the signature shows."""
    return type(func) is not FunctionType or not vars(func).keys().isdisjoint(("__wrapped__", "__signature__"))


def naming_parameters(func: Callable[..., Any]) -> _Parameters:
    """Return the parameters that name the arguments: those of the outermost callable, unless it accepts any.

    A decorator with `*args` or `**kwargs` does not define names and types; the inner function does.
    """
    own = _own_parameters(func)
    if not is_decorated(func) or not any(one.kind in (_VAR_POSITIONAL, _VAR_KEYWORD) for one in own):
        return own
    try:
        return tuple(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        return own


def _own_parameters(func: Callable[..., Any]) -> _Parameters:
    try:
        return tuple(inspect.signature(func, follow_wrapped=False).parameters.values())
    except (TypeError, ValueError):
        # A wrapper in C, such as that of `functools.cache`, passes all arguments on.
        return tuple(inspect.signature(func).parameters.values()) if hasattr(func, "__wrapped__") else _ANYTHING


def _spread_as_passed(parameters: _Parameters, bound: Bound) -> tuple[tuple[Any, ...], dict[str, Any]]:
    rest = dict(bound)
    args: list[Any] = []
    extra: dict[str, Any] = {}
    collected = any(one.kind is _VAR_POSITIONAL and rest.get(one.name) for one in parameters)
    for parameter in parameters:
        kind = parameter.kind
        if parameter.name not in rest:
            continue
        if kind is _VAR_POSITIONAL:
            args.extend(rest.pop(parameter.name))
        elif kind is _VAR_KEYWORD:
            extra = rest.pop(parameter.name)
        elif kind in _POSITIONAL and (
            collected or kind is inspect.Parameter.POSITIONAL_ONLY or len(args) < bound.positional
        ):
            args.append(rest.pop(parameter.name))
    return tuple(args), rest | extra


def _spread(parameters: _Parameters, bound: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    rest = dict(bound)
    args: list[Any] = []
    collected: Any = ()
    extra: Any = None
    last = 0
    for index, parameter in enumerate(parameters):
        if parameter.kind is _VAR_POSITIONAL:
            collected = rest.pop(parameter.name, ())
        elif parameter.kind is _VAR_KEYWORD:
            extra = rest.pop(parameter.name, None)
        elif parameter.kind is inspect.Parameter.POSITIONAL_ONLY and parameter.name in rest:
            last = index + 1
    for index, parameter in enumerate(parameters):
        if parameter.kind not in _POSITIONAL:
            break
        if parameter.name in rest:
            args.append(rest.pop(parameter.name))
        elif parameter.default is not _EMPTY and (collected or index < last):
            # Left out, but something after it can only be passed by position.
            args.append(parameter.default)
        else:
            break
    args.extend(collected)
    if extra:
        rest.update(extra)
    return tuple(args), rest


def _binder(func: Callable[..., Any], parameters: _Parameters, partial: bool = False) -> Callable[..., dict[str, Any]]:
    """`def <func>(<same parameters>): return {<name>: <value>, …}`, made from the names and nothing else.

    Args:
        partial: nothing is required.
    """
    names = {parameter.name for parameter in parameters}
    absent, bound = _unused("absent", names), _unused("bound", names)
    written: list[str] = []
    always: list[str] = []
    perhaps: list[str] = []
    for index, parameter in enumerate(parameters):
        name, text = parameter.name, parameter.name
        if parameter.kind is _VAR_POSITIONAL:
            text = f"*{name}"
            # A display, not a call of `list`: a parameter may have that name.
            perhaps.append(f" if {name}: {bound}[{name!r}] = [*{name}]")
        elif parameter.kind is _VAR_KEYWORD:
            text = f"**{name}"
            perhaps.append(f" if {name}: {bound}[{name!r}] = {name}")
        else:
            if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not _star_before(parameters[:index]):
                written.append("*")
            if partial or parameter.default is not _EMPTY:
                text = f"{name}={absent}"
                perhaps.append(f" if {name} is not {absent}: {bound}[{name!r}] = {name}")
            else:
                always.append(f"{name!r}: {name}")
        written.append(text)
        if parameter.kind is inspect.Parameter.POSITIONAL_ONLY and not _is_positional_only(parameters, index + 1):
            written.append("/")
    lines = [f"def bind({', '.join(written)}):", f" {bound} = {{{', '.join(always)}}}", *perhaps, f" return {bound}"]
    if not perhaps:
        lines = [lines[0], f" return {{{', '.join(always)}}}"]
    label = getattr(func, "__qualname__", repr(func))
    namespace: dict[str, Any] = {absent: object()}
    exec(compile("\n".join(lines), f"<arguments of {label}>", "exec"), namespace)
    binder: Callable[..., dict[str, Any]] = namespace["bind"]
    # The name that Python puts into its errors.
    binder.__name__, binder.__qualname__ = getattr(func, "__name__", label), label
    return binder


def _unused(name: str, names: set[str]) -> str:
    while name in names:
        name += "_"
    return name


def _star_before(parameters: _Parameters) -> bool:
    return any(parameter.kind in (_VAR_POSITIONAL, inspect.Parameter.KEYWORD_ONLY) for parameter in parameters)


def _is_positional_only(parameters: _Parameters, index: int) -> bool:
    return index < len(parameters) and parameters[index].kind is inspect.Parameter.POSITIONAL_ONLY
