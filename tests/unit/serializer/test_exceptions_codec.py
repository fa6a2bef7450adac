"""An exception of a body is decoded to its class, or to a `RemoteError` that names it; every exception is delivered."""

from __future__ import annotations

import dataclasses
import json
import random
import subprocess
import traceback
import urllib.error
from json import JSONDecodeError
from typing import Any

import pytest

from pynenc.exceptions import InvocationNotFoundError, RemoteError, RetryError, SerializationError, TaskError
from pynenc.serializer.exceptions_codec import encode_error


def body() -> None:
    """The function of the task: this module is the task's."""


class Known(Exception):
    pass


class Outer:
    class Inner(Exception):
        pass


class TwoArguments(Exception):
    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code, self.reason = code, reason


class KeywordOnly(Exception):
    def __init__(self, *, code: int) -> None:
        super().__init__(f"code {code}")
        self.code = code


class WithDefault(Exception):
    def __init__(self, text: str = "the default") -> None:
        super().__init__(text)


@dataclasses.dataclass
class AsDataclass(Exception):
    code: int
    reason: str = "none"


@dataclasses.dataclass(frozen=True)
class AsFrozenDataclass(Exception):
    code: int


class Unchangeable(Exception):
    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"cannot set {name}")


class MuteText(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class MuteAtAll(Exception):
    def __repr__(self) -> str:
        raise SystemExit("not even this")

    __str__ = __repr__


class NoReduce(Exception):
    def __reduce__(self) -> Any:
        raise RuntimeError("not to be pickled")


class OnlyOnce(Exception):
    """Its constructor works where it is raised, and not where it arrives."""

    made = 0

    def __init__(self, *args: Any) -> None:
        OnlyOnce.made += 1
        if OnlyOnce.made > 1:
            raise RuntimeError("only once")
        super().__init__(*args)


class NotAlwaysOne(Exception):
    made = 0

    def __new__(cls, *args: Any) -> Any:
        NotAlwaysOne.made += 1
        return super().__new__(cls, *args) if NotAlwaysOne.made == 1 else 5


class HostileArgs(Exception):
    @property
    def args(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no args")


class HostileEverything(Exception):
    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class Leave(SystemExit):
    pass


def _notes(exc: BaseException) -> list[str]:
    return list(object.__getattribute__(exc, "__dict__")["__notes__"])


@pytest.mark.parametrize(
    "raised",
    [
        ValueError("a", 1, None, 1.5, True),
        ValueError(("a", [b"\x00", {"k": 2**100}])),
        KeyError("gone"),
        ZeroDivisionError(),
        StopIteration(3),
        RecursionError("deep"),
        MemoryError(),
        TimeoutError("late"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        SyntaxError("wrong", ("file", 1, 2, "text")),
        RetryError("again"),
        TaskError("shop.jobs.pay", "broken"),
        InvocationNotFoundError("an-id", "gone"),
        Known("x"),
        Outer.Inner("x"),
        WithDefault(),
        AsDataclass(5, "why"),
        NoReduce("x"),
        JSONDecodeError("wrong", "{", 1),
        ValueError("\x00 ünï \U0001f600"),
    ],
    ids=repr,
)
def test_a_known_exception_comes_back_with_class_arguments_text_and_attributes(
    coder: Any, raised: BaseException
) -> None:
    back = coder.as_exception(raised, body)
    assert type(back) is type(raised)
    assert back.args == raised.args
    assert str(back) == str(raised)
    assert vars(back).keys() - {"__notes__"} == vars(raised).keys()
    assert all(vars(back)[name] == value for name, value in vars(raised).items())


@pytest.mark.parametrize(
    ("raised", "names"),
    [
        (OSError(2, "no", "file"), ("errno", "strerror", "filename")),
        (FileNotFoundError(2, "no", "one", None, "other"), ("errno", "filename", "filename2")),
        (BlockingIOError(11, "later"), ("errno",)),
        (StopIteration(3), ("value",)),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), ("encoding", "object", "start", "end", "reason")),
        (SyntaxError("wrong", ("file", 1, 2, "text")), ("msg", "filename", "lineno", "offset", "text")),
    ],
    ids=repr,
)
def test_attributes_that_builtin_exceptions_keep_outside_args_come_back(
    coder: Any, raised: BaseException, names: tuple[str, ...]
) -> None:
    back = coder.as_exception(raised, body)
    assert type(back) is type(raised)
    assert [getattr(back, name) for name in names] == [getattr(raised, name) for name in names]


@pytest.mark.parametrize(
    ("raised", "attributes"),
    [(TwoArguments(4, "x"), {"code": 4, "reason": "x"}), (KeywordOnly(code=5), {"code": 5})],
    ids=repr,
)
def test_a_constructor_of_another_shape_is_done_without(
    coder: Any, raised: BaseException, attributes: dict[str, Any]
) -> None:
    back = coder.as_exception(raised, body)
    assert type(back) is type(raised)
    assert str(back) == str(raised)
    assert {name: getattr(back, name) for name in attributes} == attributes


@pytest.mark.parametrize("cls", [MuteText, MuteAtAll, HostileArgs, HostileEverything, Unchangeable, AsFrozenDataclass])
def test_an_opaque_immutable_exception_is_still_delivered(coder: Any, cls: type[BaseException]) -> None:
    back = coder.as_exception(cls(5), body)
    assert isinstance(back, cls)
    assert cls.__name__ in _notes(back)[0]


def test_an_exception_whose_constructor_fails_here_is_made_without_it(coder: Any) -> None:
    back = coder.as_exception(OnlyOnce("x"), body)
    assert (type(back), back.args) == (OnlyOnce, ("x",))


def test_an_exception_that_cannot_be_made_here_arrives_as_a_remote_error(coder: Any) -> None:
    back = coder.as_exception(NotAlwaysOne("x"), body)
    assert type(back) is RemoteError
    assert (back.type_name, back.message) == (f"{__name__}.NotAlwaysOne", "x")


@pytest.mark.parametrize("value", [object(), {1: 2}, Known, float("nan"), "\ud800", [[[object()]]]], ids=lambda _: "")
def test_arguments_that_are_no_plain_data_arrive_as_their_text(coder: Any, value: Any) -> None:
    back = coder.as_exception(Known(value, 5), body)
    assert isinstance(back, Known)
    assert isinstance(back.args[0], str)
    assert back.args[1] == 5


# -- classes that are not known ----------------------------------------------------------------------------------------


def test_an_unknown_class_arrives_as_a_remote_error_with_its_name_and_message(coder: Any) -> None:
    for raised, name in (
        (urllib.error.URLError("no route"), "urllib.error.URLError"),
        (subprocess.CalledProcessError(1, ["a"]), "subprocess.CalledProcessError"),
    ):
        back = coder.as_exception(raised, body)
        assert type(back) is RemoteError
        assert back.type_name == name
        assert back.message == str(raised)
        assert str(back) == f"{name}: {raised}"


def test_a_local_class_arrives_as_a_remote_error(coder: Any) -> None:
    class Local(Exception):
        pass

    back = coder.as_exception(Local("x"), body)
    assert back.type_name == f"{__name__}.{Local.__qualname__}"


def test_an_exception_class_is_known_once_registered_or_named_in_retry_for(coder: Any) -> None:
    assert type(coder.as_exception(urllib.error.URLError("x"), body, (urllib.error.URLError,))) is urllib.error.URLError
    assert coder.codec.register_exception(urllib.error.URLError) is urllib.error.URLError
    assert type(coder.as_exception(urllib.error.URLError("x"), body)) is urllib.error.URLError


@pytest.mark.parametrize("cls", [int, SystemExit, KeyboardInterrupt, BaseException, "ValueError", None], ids=str)
def test_only_exception_classes_can_be_registered(coder: Any, cls: Any) -> None:
    with pytest.raises(TypeError):
        coder.codec.register_exception(cls)


@pytest.mark.parametrize("raised", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), Leave(3)], ids=repr)
def test_an_exception_that_would_end_the_process_arrives_as_a_remote_error(coder: Any, raised: BaseException) -> None:
    back = coder.as_exception(raised, body, (type(raised),))
    assert type(back) is RemoteError
    assert type(raised).__name__ in back.type_name


# -- what comes with it ------------------------------------------------------------------------------------------------


def _raising() -> None:
    error = Known("deep inside")
    error.add_note("a note of its own")
    raise error from KeyError("the reason")


def test_the_remote_traceback_is_a_note_with_cause_and_notes_and_is_shown(coder: Any) -> None:
    task = coder.task(func=body)
    try:
        _raising()
    except Known as error:
        payload = coder.codec.encode_exception(task, error)
    back = coder.codec.decode_exception(task, payload)
    [note] = _notes(back)
    assert note.startswith("Traceback where it was raised:\n")
    for text in ("in _raising", "Known: deep inside", "KeyError: 'the reason'", "a note of its own"):
        assert text in note
    assert note in "".join(traceback.format_exception(back))


def test_the_cause_arrives_as_a_remote_error_and_a_context_counts_unless_suppressed(coder: Any) -> None:
    def raised(how: str) -> BaseException:
        try:
            try:
                raise KeyError("first")
            except KeyError as first:
                if how == "cause":
                    raise Known("then") from first
                if how == "context":
                    raise Known("then")
                raise Known("then") from None
        except Known as then:
            return then

    for how in ("cause", "context"):
        cause = coder.as_exception(raised(how), body).__cause__
        assert type(cause) is RemoteError
        assert (cause.type_name, cause.message) == ("builtins.KeyError", "'first'")
    assert coder.as_exception(raised("neither"), body).__cause__ is None


def test_a_group_comes_back_with_its_members_known_or_not(coder: Any) -> None:
    inner = ExceptionGroup("inner", [KeyError("k"), urllib.error.URLError("no route")])
    back = coder.as_exception(ExceptionGroup("outer", [Known("x"), inner]), body)
    assert type(back) is ExceptionGroup
    assert back.message == "outer"
    known, again = back.exceptions
    assert (type(known), known.args) == (Known, ("x",))
    assert [type(member) for member in again.exceptions] == [KeyError, RemoteError]


def test_causes_in_a_circle_end(coder: Any) -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    back = coder.as_exception(one, body)
    assert str(back.__cause__) == "builtins.ValueError: other"


def test_a_huge_exception_is_cut_to_the_largest_payload(coder_of: Any) -> None:
    def deep(count: int) -> None:
        if count:
            deep(count - 1)
        raise Known("x" * 5_000_000, ["y" * 100_000] * 50)

    for limit in (2_000, 8 * 1024 * 1024):
        coder = coder_of(max_payload_bytes=limit)
        task = coder.task(func=body)
        try:
            deep(500)
        except Known as error:
            payload = coder.codec.encode_exception(task, error)
        assert len(payload) <= min(limit, 256 * 1024 + 1)
        back = coder.codec.decode_exception(task, payload)
        assert type(back) is Known
        assert "xxx" in str(back.args[0])
        assert "characters left out" in str(back.args[0]) or len(back.args[0]) <= 1000


def test_an_exception_is_json_whatever_the_serializer(coder_of: Any) -> None:
    with pytest.warns(UserWarning, match="PickleSerializer"):
        coder = coder_of(serializer_cls="PickleSerializer")
    payload = coder.codec.encode_exception(coder.task(func=body), Known("x"))
    assert payload[0] == 4
    assert json.loads(payload[1:])["qualname"] == "Known"


# -- what is no exception ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x04",
        b"\x04{}",
        b"\x04[]",
        b"\x04null",
        b"\x04\xff",
        b"\x01null",
        b"\x02abc",
        b"\xfeabc",
        b'\x04{"module":"builtins","qualname":"ValueError","message":5}',
        b'\x04{"module":"builtins","qualname":"ValueError","message":"m","args":5}',
        b'\x04{"module":"builtins","qualname":"ValueError","message":"m","args":[{"class":"x"}]}',
        b'\x04{"module":"builtins","qualname":"ValueError","message":"m","args":[{"int":"0x"}]}',
        b'\x04{"module":"builtins","qualname":"ValueError","message":"m","args":[{"bytes":"!"}]}',
        b'\x04{"module":"builtins","qualname":"ValueError","message":"m","args":[{"int":"1","text":"1"}]}',
        b'\x04{"module":"builtins","qualname":"ValueError","message":"m","args":%b}' % (b"[" * 50_000 + b"]" * 50_000),
    ],
    ids=lambda payload: repr(payload[:70]),
)
def test_a_payload_that_is_no_exception_is_refused_with_the_name_of_the_task(coder: Any, payload: bytes) -> None:
    with pytest.raises(SerializationError, match=r"the exception of task shop\.jobs\.pay cannot be read"):
        coder.codec.decode_exception(coder.task(func=body), payload)


def test_a_damaged_payload_is_refused_or_read_but_never_anything_else(coder: Any, seed: int) -> None:
    chance = random.Random(seed)
    task = coder.task(func=body)
    whole = b"\x04" + encode_error(ExceptionGroup("g", [Known("x", 2**90), OSError(2, "no", "f")]), 10_000)
    for _ in range(2_000):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(1, len(damaged))] = chance.choice(b'"{}[]:,0a\\\x00\xff')
        try:
            found = coder.codec.decode_exception(task, bytes(damaged))
        except SerializationError:
            continue
        assert isinstance(found, Exception)
