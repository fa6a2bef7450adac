"""Encode arguments and results of one task as JSON, and decode them by the annotations of its function."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from pynenc.exceptions import PayloadTooLargeError, SerializationError
from pynenc.serializer.annotations import Slot, slots_of
from pynenc.serializer.app_values import is_task
from pynenc.serializer.canonical import canonical_text
from pynenc.serializer.checks import SCALARS, inspect_value
from pynenc.serializer.collisions import Guard, guard_of_fields
from pynenc.serializer.conformity import Conformity, Sure, is_plain, quick_types
from pynenc.serializer.differences import difference, locate, remedy, type_name
from pynenc.serializer.hooks import decode_hook, encode_other
from pynenc.serializer.misfits import ADVICE_FOR_RESULTS, advice, located
from pynenc.serializer.sizes import least_size, too_large
from pynenc.util.signature import Bound, CallSignature, is_decorated
from pynenc.util.texts import brief

if TYPE_CHECKING:
    from pynenc.serializer.owner import CodecOwner

_ENCODER = msgspec.json.Encoder(enc_hook=encode_other)
_encode = _ENCODER.encode

DEFAULT_TEXT = "<default>"
"""The text of an argument that equals a default without a JSON form."""

_MISSING: Any = object()
_ABSENT: Any = object()
_NONE: frozenset[type] = frozenset()

_COUNT, _ARGS, _KWARGS = "#", "*", "**"
"""Further keys of the arguments of a decorated function: the number of positional arguments; or all positional and
keyword arguments, if they do not fit the inner function."""


class _QuickTypes(dict[str, frozenset[type]]):
    """Types whose values need no inspection, by name of the parameter. Other names have none."""

    def __missing__(self, name: str) -> frozenset[type]:
        return _NONE


class JsonTaskCodec:
    """Encoder and decoder of one function, created once per task. Thread-safe.

    Parts that most calls do not need are created on first use: a client with thousands of tasks submits plain values to
    few of them and decodes even fewer.
    """

    def __init__(self, app: CodecOwner, task_id: str, func: Callable[..., Any], lossy: Callable[[], bool]) -> None:
        """
        Args:
            lossy: returns whether values may come back changed; called only for such a value.
        """
        self._hook = decode_hook(app)
        parameters, self._result = slots_of(task_id, func, self._hook, app.logger)
        self._omitted = {slot.name: slot.default for slot in parameters if _cannot_travel(slot.default)}
        self._signature = CallSignature(func) if is_decorated(func) else None
        if self._signature is not None:
            parameters += [Slot(_COUNT, int, "", _MISSING), Slot(_ARGS, list[Any], "", _MISSING)]
            parameters.append(Slot(_KWARGS, dict[str, Any], "", _MISSING))
        self._parameters = parameters
        self.func = func
        self._app = app
        self._task = task_id
        self._lossy = lossy
        self._names = tuple(slot.name for slot in parameters)
        self._arguments = {slot.name: slot for slot in parameters}
        self._quick = _QuickTypes((slot.name, quick_types(slot.type)) for slot in parameters)

    @functools.cached_property
    def _guarded(self) -> tuple[Guard | None, bool]:
        return guard_of_fields({slot.name: slot.type for slot in self._parameters}, self._hook)

    @property
    def runs_user_code(self) -> bool:
        """Whether decoding the arguments runs user code."""
        return self._guarded[1]

    @functools.cached_property
    def _result_guard(self) -> Guard | None:
        return guard_of_fields({"": self._result.type}, self._hook, whole=True)[0]

    @functools.cached_property
    def _decode_arguments(self) -> Callable[[bytes | memoryview], msgspec.Struct]:
        return msgspec.json.Decoder(_struct(self._parameters), dec_hook=self._hook).decode

    @functools.cached_property
    def _decode_result(self) -> Callable[[bytes | memoryview], Any]:
        return msgspec.json.Decoder(self._result.type, dec_hook=self._hook).decode

    @functools.cached_property
    def may_return_none(self) -> bool:
        """Whether the annotation of the result takes None."""
        try:
            return self._read_result(b"null") is None
        except Exception:
            return False

    @functools.cached_property
    def _sure(self) -> dict[str, Sure | None]:
        conformity = Conformity(self._app.app_id)
        return {slot.name: _sure(conformity, slot) for slot in self._parameters}

    @functools.cached_property
    def _result_sure(self) -> Sure | None:
        return _sure(Conformity(self._app.app_id), self._result)

    def encode_arguments(self, kwargs: dict[str, Any], limit: int) -> bytes:
        """Encode arguments as one JSON object. Defaults without a JSON form are omitted, because the runner has them.

        Raises:
            PayloadTooLargeError: a single text is larger than `limit` bytes; detected before any copy.
            SerializationError: names the task, the argument and its type.
        """
        if type(kwargs) is Bound and self._signature is not None:
            return self._encode_as_passed(self._signature, kwargs, limit)
        if self._omitted:
            kwargs = {name: value for name, value in kwargs.items() if self._omitted.get(name, _MISSING) is not value}
        quick = self._quick
        unsure: dict[str, list[Any]] | None = None
        for name, value in kwargs.items():
            kind = type(value)
            if kind not in quick[name]:
                of_apps = self._look(name, value, limit)
                if of_apps is not None:
                    unsure = unsure or {}
                    unsure[name] = of_apps
            elif kind is str and len(value) > limit:
                raise too_large(f"argument {name!r} of task {self._task}", len(value), limit)
        try:
            body = _encode(kwargs)
        except Exception as error:
            raise self._blame(kwargs, error) from brief(error)
        if unsure and len(body) <= limit:
            self._check_what_comes_back(kwargs, unsure, body)
        return body

    def _encode_as_passed(self, signature: CallSignature, bound: Bound, limit: int) -> bytes:
        """Encode arguments of a decorated function, whose annotations may differ from the decorator's parameters."""
        misfit: SerializationError | None = None
        if not bound.by_outer:
            try:
                count = {_COUNT: bound.positional} if bound.positional else {}
                return self.encode_arguments({**bound, **count}, limit)
            except PayloadTooLargeError:
                raise
            except SerializationError as error:
                misfit = error
        args, kwargs = signature.spread(bound)
        try:
            return self.encode_arguments({_ARGS: list(args), _KWARGS: kwargs}, limit)
        except SerializationError as error:
            if misfit is None or isinstance(error, PayloadTooLargeError):
                for name, value in signature.named(bound):
                    self._refuse_unless_plain(name, value, limit)
                raise
        raise misfit

    def _refuse_unless_plain(self, name: str, value: Any, limit: int) -> None:
        """Refuse a non-plain argument that the inner function does not accept, under the caller's name for it."""
        what = f"argument {name!r} of task {self._task}"
        if (size := least_size(value)) > limit:
            raise too_large(what, size, limit)
        try:
            of_apps = inspect_value(value)
            body = _encode(value)
        except Exception as error:
            raise self._refusal(what, value, error, name) from brief(error)
        self._check_apps(what, of_apps)
        self._refuse_changes(value, msgspec.json.decode(body), self._arguments[_KWARGS], name)

    def decode_arguments(self, body: bytes | memoryview) -> dict[str, Any]:
        """Decode arguments, each to its annotated type. Raises `SerializationError` if one does not fit."""
        try:
            guard = self._guarded[0]
            if guard is not None:
                guard.inspect(body)
            values = msgspec.structs.astuple(self._decode_arguments(body))
        except Exception as error:
            raise self._misfit(error) from brief(error)
        found = {name: value for name, value in zip(self._names, values, strict=True) if value is not _ABSENT}
        return found if self._signature is None else self._as_passed(self._signature, found)

    def _as_passed(self, signature: CallSignature, found: dict[str, Any]) -> dict[str, Any]:
        count = found.pop(_COUNT, 0)
        if _ARGS in found or _KWARGS in found:
            return signature.bind(*found.get(_ARGS, ()), **found.get(_KWARGS, {}))
        return Bound(found, count)

    def encode_result(self, value: Any, limit: int) -> bytes:
        """Encode a result as JSON. Raises `SerializationError`, which names the task and the type."""
        what = f"the result of task {self._task}"
        if (size := least_size(value)) > limit:
            raise too_large(what, size, limit)
        sure = self._result_sure
        if sure is not None and _is_certain(sure, value):
            try:
                return _encode(value)
            except Exception as error:
                raise self._refusal(what, value, error, "result") from brief(error)
        try:
            self._check_apps(what, inspect_value(value))
            body = _encode(value)
        except SerializationError:
            raise
        except Exception as error:
            raise self._refusal(what, value, error, "result") from brief(error)
        if len(body) <= limit:
            try:
                after = self._read_result(body)
            except Exception as error:
                raise self._misfit_of_result(error, ADVICE_FOR_RESULTS) from brief(error)
            self._refuse_changes(value, after, self._result, "result")
        return body

    def decode_result(self, body: bytes | memoryview) -> Any:
        """Decode a result to its annotated type. Raises `SerializationError` if it does not fit."""
        try:
            if self._result_guard is not None:
                self._result_guard.inspect(body)
            return self._read_result(body)
        except Exception as error:
            raise self._misfit_of_result(error) from brief(error)

    def _read_result(self, body: bytes | memoryview) -> Any:
        """Decode a result by its annotation. A decorated function has the annotation of the inner function."""
        try:
            return self._decode_result(body)
        except Exception:
            if self._signature is None:
                raise
            plain = msgspec.json.decode(body)
            if not is_plain(plain):
                raise
            return plain

    def texts(self, kwargs: Mapping[str, Any]) -> dict[str, str]:
        """Return the canonical text of each argument."""
        texts: dict[str, str] = {}
        for name, value in kwargs.items():
            if self._omitted.get(name, _MISSING) is value:
                texts[name] = DEFAULT_TEXT
                continue
            try:
                texts[name] = canonical_text(value)
            except Exception as error:
                what = f"argument {name!r} of task {self._task}"
                raise self._refusal(what, value, error, name) from brief(error)
        return texts

    def _look(self, name: str, value: Any, limit: int) -> list[Any] | None:
        """Return None if this argument certainly comes back unchanged, else its parts that belong to an app.

        Raises if it cannot be encoded."""
        if (size := least_size(value)) > limit:
            raise too_large(f"argument {name!r} of task {self._task}", size, limit)
        sure = self._sure.get(name)
        if sure is not None and _is_certain(sure, value):
            return None
        what = f"argument {name!r} of task {self._task}"
        try:
            of_apps = inspect_value(value)
        except Exception as error:
            raise self._refusal(what, value, error, name) from brief(error)
        self._check_apps(what, of_apps)
        return of_apps

    def _check_apps(self, what: str, of_apps: list[Any]) -> None:
        """Refuse tasks and invocations of another app: the reading process knows only this app."""
        for one in of_apps:
            if one.app.app_id != self._app.app_id:
                kind, own = (
                    ("invocation", one.invocation_id) if hasattr(one, "invocation_id") else ("task", one.task_id)
                )
                raise SerializationError(
                    f"{what} cannot be serialised: it has {kind} {own} of app {one.app.app_id!r}, and where it is read "
                    f"there is app {self._app.app_id!r}; pass a{'n' if kind == 'invocation' else ''} {kind} of that"
                )

    def _check_what_comes_back(self, kwargs: dict[str, Any], unsure: dict[str, list[Any]], body: bytes) -> None:
        try:
            values = msgspec.structs.astuple(self._decode_arguments(body))
        except Exception as error:
            raise self._misfit_at_the_call(error, kwargs, unsure) from brief(error)
        after = dict(zip(self._names, values, strict=True))
        for name in unsure:
            self._refuse_changes(kwargs[name], after.get(name), self._arguments[name], name)

    def _refuse_changes(self, before: Any, after: Any, slot: Slot, name: str) -> None:
        found = difference(before, after, name)
        if found is None or self._lossy():
            return
        what = "the result" if slot is self._result else f"argument {name!r}"
        at = "" if found.path == name else f", at {found.path},"
        raise SerializationError(f"{what} of task {self._task}{at} {found.what}: {remedy(found, slot)}")

    def _misfit(self, error: Exception) -> SerializationError:
        return SerializationError(
            f"task {self._task}: the arguments do not fit its parameters: {located(error, 'argument')}"
        )

    def _misfit_at_the_call(
        self, error: Exception, kwargs: dict[str, Any], unsure: dict[str, list[Any]]
    ) -> SerializationError:
        """Return the error that a runner would raise, with the remedy for the caller."""
        text = self._misfit(error).args[0]
        of_apps = {name: found for name, found in unsure.items() if found}
        if not of_apps:
            return SerializationError(text + advice(error, kwargs, self._arguments))
        for name, (first, *_) in of_apps.items():
            if is_task(type(first)):
                text += f"; argument {name!r} has task {first.task_id}: annotate it as Task"
            else:
                text += (
                    f"; argument {name!r} has invocation {first.invocation_id} in place of its result: a forgotten "
                    "await? Pass `await invocation` or `invocation.result`, or annotate it as DistributedInvocation"
                )
        return SerializationError(text)

    def _misfit_of_result(self, error: Exception, advice_for_it: str = "") -> SerializationError:
        return SerializationError(
            f"task {self._task}: its result does not fit the annotation: {located(error, 'result')}{advice_for_it}"
        )

    def _blame(self, kwargs: dict[str, Any], error: Exception) -> SerializationError:
        """Return the error for the first argument that cannot be encoded separately."""
        for name, value in kwargs.items():
            try:
                _encode(value)
            except Exception as reason:
                return self._refusal(f"argument {name!r} of task {self._task}", value, reason, name)
        return SerializationError(f"the arguments of task {self._task} cannot be serialised: {error}")

    def _refusal(self, what: str, value: Any, error: Exception, name: str) -> SerializationError:
        if isinstance(error, RecursionError):
            reason = "it is nested too deep, or contains itself"
        else:
            reason = str(error)
            path = locate(value, name, _try)
            reason += f" (at {path})" if path != name else ""
        return SerializationError(f"{what}, of type {type_name(type(value))}, cannot be serialised: {reason}")


def _try(value: Any) -> None:
    inspect_value(value)
    _encode(value)


def _is_certain(sure: Sure, value: Any) -> bool:
    try:
        return sure(value, 0)
    except RecursionError:
        return False


def _sure(conformity: Conformity, slot: Slot) -> Sure | None:
    try:
        return conformity.of(slot.type)
    except Exception:
        # User code may raise here: metaclasses, parameters of annotations without a hash.
        return None


def _struct(parameters: list[Slot]) -> type[msgspec.Struct]:
    """Return a type with a field per parameter. Field names are numbers, to avoid conflicts with parameter names."""
    fields = [(f"f{index}", slot.type, _ABSENT) for index, slot in enumerate(parameters)]
    names = {f"f{index}": slot.name for index, slot in enumerate(parameters)}
    return msgspec.defstruct("Arguments", fields, rename=names, forbid_unknown_fields=True, kw_only=True)


def _cannot_travel(default: Any) -> bool:
    if default is inspect.Parameter.empty or type(default) in SCALARS:
        return False
    try:
        if any(map(is_task, map(type, inspect_value(default)))):
            # The runner has the default.
            return True
        _encode(default)
    except Exception:
        return True
    return False
