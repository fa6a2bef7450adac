"""Arguments and results of one task as JSON, decoded by the annotations of its function."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from pynenc.exceptions import PayloadTooLargeError, SerializationError
from pynenc.serializer.annotations import Slot, slots_of
from pynenc.serializer.checks import (
    SCALARS,
    Needs,
    NotRepresentableError,
    fields_of_value,
    inspect_value,
    is_restored,
)
from pynenc.serializer.collisions import Guard, guard_of_fields
from pynenc.serializer.hooks import decode_hook, encode_other, encode_with_sets, has_own_form
from pynenc.util.texts import brief

if TYPE_CHECKING:
    from pynenc.app import Pynenc

_ENCODER = msgspec.json.Encoder(enc_hook=encode_other)
_SORTED_ENCODER = msgspec.json.Encoder(enc_hook=encode_with_sets, order="deterministic")
_encode = _ENCODER.encode

DEFAULT_TEXT = "<default>"
"""The text of an argument that is the default of its parameter and has no JSON form."""

_SIZED = frozenset({str, bytes, bytearray})
_FEW = 1000
"""How many parts of a value are looked at before it is encoded."""

_MISSING: Any = object()
_ABSENT: Any = object()
_PATH = re.compile(r" - at `(?:key in )?\$\.?(?P<path>.*)`$", re.DOTALL)


class JsonTaskCodec:
    """Encoder and decoder of one function; made once per task. Thread-safe.

    What only decodes is made when it is first needed: a client with thousands of tasks submits and decodes few of them.
    """

    def __init__(self, app: Pynenc, task_id: str, func: Callable[..., Any]) -> None:
        self._hook = decode_hook(app)
        self._parameters, self._result = slots_of(task_id, func, self._hook, app.logger)
        self.func = func
        self._app = app
        self._task = task_id
        self._names = tuple(slot.name for slot in self._parameters)
        self._arguments = {slot.name: slot for slot in self._parameters}
        self._omitted = {slot.name: slot.default for slot in self._parameters if _cannot_travel(slot.default)}

    @functools.cached_property
    def _guarded(self) -> tuple[Guard | None, bool]:
        return guard_of_fields({slot.name: slot.type for slot in self._parameters}, self._hook)

    @property
    def runs_user_code(self) -> bool:
        """Whether decoding the arguments runs code of the user's."""
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

    def encode_arguments(self, kwargs: dict[str, Any], limit: int) -> bytes:
        """One JSON object. A default that has no JSON form stays out: where the body runs, it is the default again.

        Raises:
            PayloadTooLargeError: a single text is larger than `limit` bytes; found before anything is copied.
            SerializationError: names the task, the argument and its type.
        """
        if self._omitted:
            kwargs = {name: value for name, value in kwargs.items() if self._omitted.get(name, _MISSING) is not value}
        for name, value in kwargs.items():
            if type(value) not in SCALARS:
                self._check_argument(name, value, limit)
            elif type(value) is str and len(value) > limit:
                raise too_large(f"argument {name!r} of task {self._task}", len(value), limit)
        try:
            return _encode(kwargs)
        except Exception as error:
            raise self._blame(kwargs, error) from brief(error)

    def decode_arguments(self, body: bytes | memoryview) -> dict[str, Any]:
        """The arguments that were passed, each of its annotated type. `SerializationError` if one does not fit."""
        try:
            guard = self._guarded[0]
            if guard is not None:
                guard.inspect(body)
            values = msgspec.structs.astuple(self._decode_arguments(body))
        except Exception as error:
            raise SerializationError(
                f"task {self._task}: the arguments do not fit its parameters: {_located(error, 'argument')}"
            ) from brief(error)
        return {name: value for name, value in zip(self._names, values, strict=True) if value is not _ABSENT}

    def encode_result(self, value: Any, limit: int) -> bytes:
        """The JSON of a result. `SerializationError` names the task and the type."""
        what = f"the result of task {self._task}"
        if (size := _least_size(value)) > limit:
            raise too_large(what, size, limit)
        try:
            needs = inspect_value(value, bool(self._result.plain_only))
            body = _encode(value)
        except Exception as error:
            raise self._refusal(what, value, error, self._result) from brief(error)
        if needs is not None:
            self._check_restored(what, value, needs, lambda: self._decode_result(body))
        return body

    def decode_result(self, body: bytes | memoryview) -> Any:
        """The result, of its annotated type. `SerializationError` if it does not fit."""
        try:
            if self._result_guard is not None:
                self._result_guard.inspect(body)
            return self._decode_result(body)
        except Exception as error:
            raise SerializationError(
                f"task {self._task}: its result does not fit the annotation: {_located(error, 'result')}"
            ) from brief(error)

    def texts(self, kwargs: Mapping[str, Any]) -> dict[str, str]:
        """The text of each argument, the same for equal values in every process."""
        texts: dict[str, str] = {}
        for name, value in kwargs.items():
            if self._omitted.get(name, _MISSING) is value:
                texts[name] = DEFAULT_TEXT
                continue
            try:
                texts[name] = canonical_text(value)
            except Exception as error:
                raise self._refusal(f"argument {name!r} of task {self._task}", value, error) from brief(error)
        return texts

    def _check_argument(self, name: str, value: Any, limit: int) -> None:
        slot = self._arguments.get(name) or Slot(name, Any, "", _MISSING)
        what = f"argument {name!r} of task {self._task}"
        if (size := _least_size(value)) > limit:
            raise too_large(what, size, limit)
        try:
            needs = inspect_value(value, bool(slot.plain_only))
            if needs is None:
                return
            body = b'{"%s":%s}' % (name.encode(), _encode(value))
        except Exception as error:
            raise self._refusal(what, value, error, slot) from brief(error)
        self._check_restored(what, value, needs, lambda: self._decode_arguments(body), name)

    def _check_restored(
        self, what: str, value: Any, needs: Needs, decode: Callable[[], Any], name: str | None = None
    ) -> None:
        """Refuse dict keys that are not text, and tasks, unless the annotation gives them their type back."""
        for task in needs.tasks:
            if task.app.app_id != self._app.app_id:
                raise SerializationError(
                    f"{what} cannot be serialised: it has task {task.task_id} of app {task.app.app_id!r}, and where "
                    f"it is read there is app {self._app.app_id!r}; pass a task of that"
                )
        try:
            after = decode()
        except Exception as error:
            if not needs.tasks:
                # It does not fit its annotation. That is for the reader to say, as it is for every other value.
                return
            raise self._unrestored(what, needs, str(error)) from brief(error)
        if name is not None:
            after = msgspec.structs.astuple(after)[self._names.index(name)]
        if not is_restored(value, after):
            raise self._unrestored(what, needs)

    @staticmethod
    def _unrestored(what: str, needs: Needs, reason: str = "") -> SerializationError:
        if needs.tasks:
            return SerializationError(
                f"{what} cannot be serialised: it has task {needs.tasks[0].task_id}, which would come back as a dict; "
                "annotate it as Task" + (f" ({reason})" if reason else "")
            )
        return SerializationError(
            f"{what} cannot be serialised: it has a dict with keys that are not text, which would come back as text; "
            "annotate it, as in dict[int, str]"
        )

    def _blame(self, kwargs: dict[str, Any], error: Exception) -> SerializationError:
        """The error for the first argument that cannot be encoded by itself."""
        for name, value in kwargs.items():
            try:
                _encode(value)
            except Exception as reason:
                return self._refusal(f"argument {name!r} of task {self._task}", value, reason)
        return SerializationError(f"the arguments of task {self._task} cannot be serialised: {error}")

    def _refusal(self, what: str, value: Any, error: Exception, slot: Slot | None = None) -> SerializationError:
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        reason = "it is nested too deep, or contains itself" if isinstance(error, RecursionError) else str(error)
        if slot is not None and slot.plain_only and isinstance(error, NotRepresentableError):
            reason += f" ({slot.plain_only})"
        return SerializationError(f"{what}, of type {kind}, cannot be serialised: {reason}")


def _least_size(value: Any) -> int:
    """What the value takes at least, as far as that is seen at once: what is far too large is not copied first."""
    kind = type(value)
    if kind in _SIZED:
        return len(value)
    if kind is dict:
        value = value.values()
    elif kind is not list and kind is not tuple:
        return 0
    return sum([len(part) for part in value if type(part) in _SIZED]) if len(value) <= _FEW else 0


def too_large(what: str, size: int, limit: int) -> PayloadTooLargeError:
    """The error that says by how much, and what to do."""
    return PayloadTooLargeError(
        f"too large: {what}, {size} bytes; max_payload_bytes is {limit}. Keep the data elsewhere and pass its address, "
        "or raise the limit (PYNENC__MAX_PAYLOAD_BYTES)"
    )


def canonical_text(value: Any) -> str:
    """JSON text that does not depend on the order of dicts and sets. Raises what the encoder raises."""
    try:
        if not _has_members_without_order(value):
            return _SORTED_ENCODER.encode(value).decode()
    except TypeError:
        pass
    try:
        # Keys that are not text, or set members that cannot be compared: order by their texts.
        return _encode(_ordered(value)).decode()
    except TypeError:
        # A part that only its model knows how to write.
        return _encode(value).decode()


def _has_members_without_order(value: Any) -> bool:
    """Whether sorting some set in it says nothing: sets compare by inclusion, and so does whatever begins with one."""
    if type(value) in SCALARS:
        return False
    if isinstance(value, dict):
        return any(map(_has_members_without_order, value.values()))
    if isinstance(value, set | frozenset):
        return any(type(member) not in SCALARS and type(member) is not float for member in value)
    if isinstance(value, list | tuple):
        return any(map(_has_members_without_order, value))
    parts = fields_of_value(value) or (encode_with_sets(value) if has_own_form(value) else None)
    return _has_members_without_order(parts)


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        # As it is written, the key 1 is "1".
        return dict(sorted((_key_text(key), _ordered(item)) for key, item in value.items()))
    if isinstance(value, set | frozenset):
        return [msgspec.Raw(text) for text in sorted(_encode(_ordered(item)) for item in value)]
    if isinstance(value, list | tuple):
        return [_ordered(item) for item in value]
    if type(value) in SCALARS:
        return value
    fields = fields_of_value(value)
    if fields:
        config = getattr(value, "__struct_config__", None)
        tag = {} if config is None or config.tag is None else {config.tag_field: config.tag}
        return _ordered(tag | fields)
    other = encode_with_sets(value) if has_own_form(value) else value
    return value if other is value else _ordered(other)


def _key_text(key: Any) -> str:
    [text] = msgspec.json.decode(_encode({key: None}), type=dict[str, None])
    return text


def _struct(parameters: list[Slot]) -> type[msgspec.Struct]:
    """A type with a field per parameter. Its field names are numbers, so that no parameter name can be in the way."""
    fields = [(f"f{index}", slot.type, _ABSENT) for index, slot in enumerate(parameters)]
    names = {f"f{index}": slot.name for index, slot in enumerate(parameters)}
    return msgspec.defstruct("Arguments", fields, rename=names, forbid_unknown_fields=True, kw_only=True)


def _cannot_travel(default: Any) -> bool:
    if default is inspect.Parameter.empty or type(default) in SCALARS:
        return False
    try:
        needs = inspect_value(default)
        if needs is not None and needs.tasks:
            # A default is known where the body runs.
            return True
        _encode(default)
    except Exception:
        return True
    return False


def _located(error: Exception, what: str) -> str:
    """The message, with `msgspec`'s path as the name of the argument or the place in the result."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    text = str(error)
    found = _PATH.search(text)
    if found is None or not found["path"]:
        return text
    return f"{what} {found['path']}: {text[: found.start()]}"
