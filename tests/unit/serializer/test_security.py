"""No name in a payload is imported or called: planted payloads are data, or are refused."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import pickletools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.processes import Processes

from pynenc import Pynenc
from pynenc.exceptions import RemoteError, SerializationError
from pynenc.invocation import DistributedInvocation
from pynenc.serializer.recorded_text import RecordedText

# A module of the standard library that nothing here imports.
UNUSED_MODULE = "this"
CANARY = "canary"


class Bomb:
    """Unpickling this object creates the canary."""

    def __reduce__(self) -> Any:
        return os.system, (f"touch {CANARY}",)


def _py_reduce() -> bytes:
    function = {"py/function": "posix.system"}
    return json.dumps({"py/reduce": [function, {"py/tuple": [f"touch {CANARY}"]}]}).encode()


def _values() -> dict[str, bytes]:
    """Bodies of payloads that some deserialiser somewhere would obey."""
    named = {
        "py/object": {"py/object": f"{UNUSED_MODULE}.Something"},
        "py/type": {"py/type": f"{UNUSED_MODULE}.Something"},
        "std exception": {"__pynenc__std_py_exc__": {"type": "exec", "args": [f"open('{CANARY}', 'w')"]}},
        "client exception": {
            "__pynenc__client_exception__": {"module": "os", "qualname": "system", "args": [f"touch {CANARY}"]}
        },
        "enum": {"__pynenc__enum__": {"module": UNUSED_MODULE, "qualname": "Something", "value": 1}},
        "json serializable": {
            "__pynenc__json_serializable__": {"module": UNUSED_MODULE, "qualname": "Something", "data": {}}
        },
        "invocation": {"__pynenc_invocation__": "an-id"},
        "yaml": "!!python/object/apply:os.system [touch canary]",
    }
    return {name: json.dumps(value).encode() for name, value in named.items()} | {
        "py/reduce": _py_reduce(),
        "pickle": pickle.dumps(Bomb()),
        "import of a pickle": f"c{UNUSED_MODULE}\nSomething\n.".encode(),
    }


def _exceptions() -> dict[str, bytes]:
    """Bodies of exception payloads that name no exception."""
    targets = [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "exec"),
        ("builtins", "eval"),
        ("builtins", "__import__"),
        ("builtins", "ValueError.__class__"),
        ("builtins", "ValueError.with_traceback"),
        ("builtins", "SystemExit"),
        ("builtins", "print"),
        (UNUSED_MODULE, "Something"),
        (__name__, "Bomb"),
        (__name__, "os.system"),
        (__name__, "CANARY"),
        ("pynenc.exceptions", "json.loads"),
        ("", ""),
    ]
    found = {
        f"{module}.{name}": {"module": module, "qualname": name, "message": "m", "args": [f"touch {CANARY}"]}
        for module, name in targets
    }
    return {name: json.dumps(record).encode() for name, record in found.items()}


VALUES, EXCEPTIONS = _values(), _exceptions()
ANNOTATIONS = {"any": Any, "dict": dict, "str": str, "list": list[Any], "invocation": DistributedInvocation}


def body() -> None:
    """The function of the task: this module is the task's."""


@pytest.fixture
def harmless() -> Any:
    """`harmless(do)` does it and claims that no module was imported and no canary appeared."""

    def check(do: Callable[[], Any]) -> Any:
        before = set(sys.modules)
        try:
            return do()
        finally:
            assert not Path(CANARY).exists()
            assert set(sys.modules) == before
            assert UNUSED_MODULE not in sys.modules

    return check


def test_the_canary_appears_where_a_payload_is_obeyed() -> None:
    pickle.loads(pickle.dumps(Bomb()))
    assert Path(CANARY).exists()
    Path(CANARY).unlink()
    importlib.import_module("jsonpickle").decode(_py_reduce().decode(), keys=True)
    assert Path(CANARY).exists()


@pytest.mark.parametrize("tag", [1, 2, 3, 4, 5, 255])
@pytest.mark.parametrize("planted", VALUES)
@pytest.mark.parametrize("annotation", ANNOTATIONS)
def test_a_planted_argument_or_result_is_plain_data_or_refused(
    coder: Any, harmless: Any, annotation: str, planted: str, tag: int
) -> None:
    task = coder.task(ANNOTATIONS[annotation])
    whole = VALUES[planted]
    for do, payload in (
        (coder.codec.decode_arguments, b'{"value":' + whole + b"}"),
        (coder.codec.decode_arguments, whole),
        (coder.codec.decode_result, whole),
    ):
        try:
            found = harmless(lambda do=do, payload=payload: do(task, bytes([tag]) + payload))
        except SerializationError:
            continue
        value = found["value"] if do == coder.codec.decode_arguments else found
        assert tag == 1
        assert type(value) in (dict, str, list) or (annotation, planted) == ("invocation", "invocation")


@pytest.mark.parametrize("planted", VALUES)
def test_raw_bytes_without_a_tag_are_refused(coder: Any, harmless: Any, planted: str) -> None:
    for do in (coder.codec.decode_arguments, coder.codec.decode_result, coder.codec.decode_exception):
        with pytest.raises(SerializationError):
            harmless(lambda do=do: do(coder.task(func=body), VALUES[planted]))


@pytest.mark.parametrize("planted", EXCEPTIONS)
def test_a_planted_exception_arrives_as_a_remote_error(coder: Any, harmless: Any, planted: str) -> None:
    found = harmless(lambda: coder.codec.decode_exception(coder.task(func=body), b"\x04" + EXCEPTIONS[planted]))
    assert type(found) is RemoteError
    assert found.type_name == planted


@pytest.mark.parametrize("planted", VALUES)
def test_planted_arguments_and_state_of_an_exception_are_plain_data(coder: Any, harmless: Any, planted: str) -> None:
    try:
        value = json.loads(VALUES[planted])
    except ValueError:
        value = VALUES[planted].decode("latin-1")
    for where in ("args", "state", "cause", "members"):
        content = {"x": value, "__class__": value} if where == "state" else [value]
        record = {"module": "builtins", "qualname": "ValueError", "message": "m", where: content}
        try:
            found = harmless(
                lambda record=record: coder.codec.decode_exception(
                    coder.task(func=body), b"\x04" + json.dumps(record).encode()
                )
            )
        except SerializationError:
            continue
        # If the object's text differs from the recorded text, the object is of a subclass with the recorded text.
        assert type(found) in (ValueError, RemoteError) or type(found).__mro__[1:3] == (RecordedText, ValueError)
        assert all(type(argument) is str for argument in found.args)


def test_no_attribute_of_an_exception_is_set_that_python_reserves(coder: Any) -> None:
    record = {
        "module": "builtins",
        "qualname": "ValueError",
        "message": "m",
        "args": ["m"],
        "state": {"__class__": 1, "__dict__": 2, "__notes__": ["planted"], "not a name": 3, "mine": 4},
    }
    found = coder.codec.decode_exception(coder.task(func=body), b"\x04" + json.dumps(record).encode())
    assert vars(found) == {"mine": 4}


@pytest.mark.parametrize("name", ["PickleSerializer", "JsonPickleSerializer"])
def test_a_serializer_that_obeys_payloads_obeys_only_its_own(coder_of: Any, harmless: Any, name: str) -> None:
    with pytest.warns(UserWarning, match=f"serializer_cls is {name}: whoever can write to the store can run code"):
        coder = coder_of(serializer_cls=name)
    own = coder.codec.serializer.tag
    task = coder.task(func=body)
    for tag in {1, 2, 3, 4, 255} - {own}:
        for whole in VALUES.values():
            with pytest.raises(SerializationError, match="it was written by"):
                harmless(lambda tag=tag, whole=whole: coder.codec.decode_result(task, bytes([tag]) + whole))
    for planted, whole in EXCEPTIONS.items():
        found = harmless(lambda whole=whole: coder.codec.decode_exception(task, b"\x04" + whole))
        assert (type(found), found.type_name) == (RemoteError, planted)


def test_a_json_payload_is_never_a_pickle(coder: Any) -> None:
    for value in ("cos\nsystem\n(S'id'\ntR.", {"py/object": "os.system"}):
        payload = coder.codec.encode_result(coder.task(Any), value)
        assert payload[:1] == b"\x01"
        assert json.loads(payload[1:]) == value
        with pytest.raises(ValueError):
            list(pickletools.genops(payload))


# Everything that Python reports about itself while a payload is decoded.
AUDITED = """
import json, sys
from types import SimpleNamespace
from typing import Any
from pynenc import Pynenc
from pynenc.exceptions import SerializationError
from pynenc.identifiers import TaskId
from pynenc.invocation import DistributedInvocation
from pynenc.serializer.codec import Codec

values, exceptions = json.loads(sys.argv[1])
codec = Codec(Pynenc("audited"))
def make(annotation):
    def body(value): ...
    body.__annotations__ = {"value": annotation, "return": annotation}
    return SimpleNamespace(task_id=TaskId("shop.jobs", "pay"), func=body, retriable_exceptions=())
tasks = [make(annotation) for annotation in (Any, dict, str, DistributedInvocation)]
def every():
    for task in tasks:
        for tag in (1, 2, 3, 4, 255):
            for whole in values:
                whole = whole.encode("latin-1")
                yield codec.decode_arguments, task, bytes([tag]) + b'{"value":' + whole + b'}'
                yield codec.decode_result, task, bytes([tag]) + whole
        for whole in exceptions:
            yield codec.decode_exception, task, b"\\x04" + whole.encode("latin-1")
def run():
    count = 0
    for do, task, payload in every():
        try:
            do(task, payload)
        except SerializationError:
            pass
        count += 1
    return count
run()
events = set()
listening = True
def hook(event, args):
    if listening and not event.startswith(("object.__", "sys._getframe", "code.__new__", "builtins.id")):
        events.add(event)
sys.addaudithook(hook)
count = run()
listening = False
print(count, sorted(events))
"""


def test_python_itself_reports_no_import_no_call_and_no_file_while_payloads_are_decoded(
    processes: Processes, tmp_path: Path
) -> None:
    planted = [[whole.decode("latin-1") for whole in bodies.values()] for bodies in (VALUES, EXCEPTIONS)]
    child = processes.python("-c", AUDITED, json.dumps(planted))
    assert child.wait() == 0, child.output()
    count, _, events = child.output().partition(" ")
    assert int(count) > 400
    assert events.strip() == "[]"
    assert not (tmp_path / CANARY).exists()


def test_the_app_says_nothing_about_the_safe_serializer(recwarn: pytest.WarningsRecorder) -> None:
    _ = Pynenc("safe")._runtime.codec
    assert len(recwarn) == 0
