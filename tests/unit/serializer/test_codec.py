"""Payloads: their tags, their sizes, their texts, and the serializers that are opted into."""

from __future__ import annotations

import base64
import dataclasses
import pickle
import subprocess
import sys
import warnings
from itertools import combinations
from typing import Any

import attrs
import msgspec
import pydantic
import pytest
from support.processes import child_environment

from pynenc import Pynenc
from pynenc.exceptions import ConfigError, PayloadTooLargeError, SerializationError
from pynenc.serializer import BaseSerializer, JsonPickleSerializer, JsonSerializer, PickleSerializer
from pynenc.serializer.codec import Codec


@dataclasses.dataclass
class Thing:
    content: Any


class Struct(msgspec.Struct, tag=True):
    content: Any


class Other(msgspec.Struct, tag=True):
    content: Any


@attrs.define
class Attrs:
    content: Any


class Model(pydantic.BaseModel):
    labels: set[str]
    counts: dict[int, int]
    address: pydantic.AnyUrl | None = None


class OwnForm:
    def __init__(self, content: Any) -> None:
        self.content = content

    def __repr__(self) -> str:
        return f"OwnForm({self.content})"

    def to_json(self) -> Any:
        return {"content": self.content}

    @classmethod
    def from_json(cls, data: Any) -> OwnForm:
        return cls(data["content"])


class Reversed(BaseSerializer):
    """A serializer as a user may write it."""

    @staticmethod
    def serialize(obj: Any) -> str:
        return repr(obj)[::-1]

    @staticmethod
    def deserialize(serialized_obj: str) -> Any:
        return {"value": serialized_obj[::-1]}


OPT_IN = ["PickleSerializer", "JsonPickleSerializer"]


@pytest.fixture
def opted_in(coder_of: Any) -> Any:
    """A codec with a serializer by name, its warning caught."""

    def make(name: str, **settings: Any) -> Any:
        with pytest.warns(UserWarning, match=name):
            return coder_of(serializer_cls=name, **settings)

    return make


# -- tags --------------------------------------------------------------------------------------------------------------


def test_a_payload_begins_with_the_tag_of_its_serializer(coder: Any, opted_in: Any, coder_of: Any) -> None:
    task = coder.task(Any)
    assert coder.codec.encode_result(task, 5) == b"\x015"
    assert coder.codec.encode_result(task, None) == b"\x01null"
    assert coder.codec.encode_arguments(task, {"value": [1]}) == b'\x01{"value":[1]}'
    assert [opted_in(name).codec.encode_result(task, 5)[0] for name in OPT_IN] == [2, 3]
    assert coder_of(serializer_cls="Reversed").codec.encode_result(task, 12) == b"\xff21"


@pytest.mark.parametrize(
    ("payload", "writer"),
    [
        (b"", "nothing at all"),
        (b"\x02abc", "PickleSerializer"),
        (b"\x03{}", "JsonPickleSerializer"),
        (b"\x04{}", "an exception"),
        (b"\x09abc", r"an unknown serializer \(tag 9\)"),
        (b"\xffabc", "a serializer of its own"),
        (b'{"value":1}', r"an unknown serializer \(tag 123\)"),
    ],
)
def test_a_payload_of_another_serializer_is_refused_with_both_names(coder: Any, payload: bytes, writer: str) -> None:
    expected = f"cannot be read: it was written by {writer}, and this process reads JsonSerializer"
    with pytest.raises(SerializationError, match=f"the result of task shop.jobs.pay {expected}"):
        coder.codec.decode_result(coder.task(Any), payload)
    with pytest.raises(SerializationError, match=f"the arguments of task shop.jobs.pay {expected}"):
        coder.codec.decode_arguments(coder.task(Any), payload)


@pytest.mark.parametrize("body", [b"", b"{", b"nul", b"{}x", b"\xff", b"[1]", b'{"other":1}', b'{"value":1,"other":2}'])
def test_arguments_that_are_none_of_the_task_are_refused(coder: Any, body: bytes) -> None:
    with pytest.raises(SerializationError, match=r"task shop\.jobs\.pay: the arguments do not fit its parameters"):
        coder.codec.decode_arguments(coder.task(Any), b"\x01" + body)


def test_an_argument_that_was_not_passed_is_not_there(coder: Any) -> None:
    assert coder.codec.decode_arguments(coder.task(Any), b"\x01{}") == {}


def test_an_unknown_serializer_is_named(coder_of: Any) -> None:
    with pytest.raises(ValueError, match="NoSuchSerializer"):
        coder_of(serializer_cls="NoSuchSerializer")


# -- sizes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["JsonSerializer", *OPT_IN])
@pytest.mark.parametrize(
    "value", ["x" * 2000, b"x" * 2000, [f"{n:0100}" for n in range(20)]], ids=["text", "bytes", "list"]
)
def test_a_payload_above_the_limit_is_refused_with_size_and_limit(
    coder_of: Any, opted_in: Any, name: str, value: Any
) -> None:
    make = coder_of if name == "JsonSerializer" else opted_in
    coder = make(max_payload_bytes=1000) if name == "JsonSerializer" else make(name, max_payload_bytes=1000)
    task = coder.task(Any)
    with pytest.raises(PayloadTooLargeError, match=r"task shop\.jobs\.pay, \d{4} bytes; max_payload_bytes is 1000"):
        coder.codec.encode_arguments(task, {"value": value})
    with pytest.raises(PayloadTooLargeError, match=r"the result of task shop\.jobs\.pay, \d{4} bytes"):
        coder.codec.encode_result(task, value)


def test_a_payload_of_exactly_the_limit_passes(coder_of: Any) -> None:
    coder = coder_of(max_payload_bytes=100)
    task = coder.task(str)
    assert len(coder.codec.encode_result(task, "x" * 97)) == 100
    with pytest.raises(PayloadTooLargeError, match="101 bytes"):
        coder.codec.encode_result(task, "x" * 98)


@pytest.mark.parametrize("name", ["JsonSerializer", *OPT_IN])
def test_a_stored_payload_above_the_limit_is_not_decoded(coder_of: Any, opted_in: Any, name: str) -> None:
    def make(limit: int) -> Any:
        return (
            coder_of(max_payload_bytes=limit) if name == "JsonSerializer" else opted_in(name, max_payload_bytes=limit)
        )

    writer, reader = make(5000), make(1000)
    task = reader.task(Any)
    planted = writer.codec.encode_result(task, "x" * 2000)
    with pytest.raises(PayloadTooLargeError, match=r"the result of task shop\.jobs\.pay in the store: \d{4} bytes"):
        reader.codec.decode_result(task, planted)
    planted = writer.codec.encode_arguments(task, {"value": "x" * 2000})
    with pytest.raises(PayloadTooLargeError, match="max_payload_bytes is 1000, so it was not decoded"):
        reader.codec.decode_arguments(task, planted)
    planted = writer.codec.encode_exception(task, ValueError("x" * 2000))
    with pytest.raises(PayloadTooLargeError, match="the exception of task"):
        reader.codec.decode_exception(task, planted)


# -- texts, of which ids are made --------------------------------------------------------------------------------------


def _text(coder: Any, value: Any, annotation: Any = Any) -> str:
    texts: dict[str, str] = coder.codec.argument_texts(coder.task(annotation), {"value": value})
    return texts["value"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"x": {"a": 1, "b": 2}}, {"x": {"b": 2, "a": 1}}),
        ({2: "b", 1: "a"}, {1: "a", 2: "b"}),
        (set("abcdefgh"), set("hgfedcba")),
        ({1, "a", (2, 3)}, {(2, 3), "a", 1}),
        ({frozenset("ab"), frozenset("cd")}, {frozenset("dc"), frozenset("ba")}),
        (set(map(frozenset, combinations(range(9), 3))), set(map(frozenset, reversed([*combinations(range(9), 3)])))),
        ({(frozenset((n,)), 1) for n in range(50)}, {(frozenset((49 - n,)), 1) for n in range(50)}),
        (Thing([{frozenset((n,)) for n in range(50)}]), Thing([{frozenset((49 - n,)) for n in range(50)}])),
        ([{1: {"b", "a"}}], [{1: {"a", "b"}}]),
        (Thing(1), Thing(1)),
        (Thing({2: "b", 1: "a"}), Thing({1: "a", 2: "b"})),
        (Struct({2: "b", 1: "a"}), Struct({1: "a", 2: "b"})),
        ([Attrs({2: [{4: 5, 3: 6}], 1: "a"})], [Attrs({1: "a", 2: [{3: 6, 4: 5}]})]),
        (Model(labels=set("abcdefgh"), counts={2: 1, 1: 2}), Model(labels=set("hgfedcba"), counts={1: 2, 2: 1})),
        (OwnForm({2: "b", 1: "a"}), OwnForm({1: "a", 2: "b"})),
    ],
    # The text of a set differs between processes.
    ids=lambda value: type(value).__name__,
)
def test_equal_values_have_one_text_whatever_their_order(coder: Any, one: Any, other: Any) -> None:
    assert _text(coder, one) == _text(coder, other)


TEXTS = """
import dataclasses
import pydantic
from typing import Any
from pynenc.serializer.json_codec import canonical_text
@dataclasses.dataclass
class Thing:
    content: Any
class Model(pydantic.BaseModel):
    labels: set[str]
    inner: list[set[str]]
many = set("abcdefgh")
for value in (many, Thing(many), Thing({1, "a", None}), Model(labels=many, inner=[many]), [frozenset(many), many]):
    print(canonical_text(value))
"""


def test_the_text_of_a_set_does_not_depend_on_the_process() -> None:
    printed = {
        subprocess.run(
            [sys.executable, "-c", TEXTS],
            env=child_environment({"PYTHONHASHSEED": str(hash_seed)}),
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for hash_seed in range(1, 4)
    }
    assert len(printed) == 1


def test_a_model_with_a_part_that_only_it_can_write_has_a_text(coder: Any) -> None:
    model = Model(labels={"a"}, counts={}, address="https://example.org/")  # type: ignore[arg-type]
    assert _text(coder, model) == '{"labels":["a"],"counts":{},"address":"https://example.org/"}'


def test_different_values_have_different_texts(coder: Any) -> None:
    assert _text(coder, Struct({1: 2})) != _text(coder, Other({1: 2}))
    values = [1, 1.5, "1", True, None, "null", [], {}, "", [1], ["1"], {"a": 1}, {"a": "1"}, [[]], {"a": None}]
    assert len({_text(coder, value) for value in values}) == len(values)


def test_a_value_without_a_text_is_refused_with_its_name(coder: Any) -> None:
    with pytest.raises(SerializationError, match=r"argument 'value' of task shop\.jobs\.pay"):
        _text(coder, object())


def test_a_default_that_cannot_travel_stays_where_it_is(coder: Any) -> None:
    marker = object()

    def body(value=marker, other=5): ...  # type: ignore[no-untyped-def]

    task = coder.task(func=body)
    payload = coder.codec.encode_arguments(task, {"value": marker, "other": 5})
    assert payload == b'\x01{"other":5}'
    assert coder.codec.decode_arguments(task, payload) == {"other": 5}
    assert coder.codec.argument_texts(task, {"value": marker, "other": 5}) == {"value": "<default>", "other": "5"}
    with pytest.raises(SerializationError, match="argument 'value'"):
        coder.codec.encode_arguments(task, {"value": object()})


def test_a_task_that_is_defined_again_is_decoded_by_its_new_annotations(coder: Any) -> None:
    assert coder.as_result(set[int], {1}) == {1}
    assert coder.as_result(list[int], [1]) == [1]


# -- serializers that are opted into -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPT_IN)
def test_a_serializer_that_runs_code_is_warned_of_and_the_safe_one_is_not(name: str) -> None:
    with pytest.warns(UserWarning, match="whoever can write to the store can run code in every process of this app"):
        Codec(Pynenc("unsafe", {"serializer_cls": name}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Codec(Pynenc("safe"))


@pytest.mark.parametrize("name", OPT_IN)
@pytest.mark.parametrize(
    "value",
    [None, 5, "text", 2**80, (1, 2), {1: "a", (2, 3): "b"}, {1, 2}, Thing(5), [Thing(1), Thing(2)], b"\x00", 1j],
    ids=lambda value: repr(value)[:60],
)
def test_a_pickling_serializer_carries_whole_objects_without_annotations(opted_in: Any, name: str, value: Any) -> None:
    coder = opted_in(name)
    for back in (coder.as_argument(coder.unannotated, value), coder.as_result(coder.unannotated, value)):
        assert back == value
        assert type(back) is type(value)


def test_pickle_refuses_what_it_cannot_write_with_the_name_of_the_task(opted_in: Any) -> None:
    coder = opted_in("PickleSerializer")
    with pytest.raises(SerializationError, match=r"the result of task shop\.jobs\.pay, of type function"):
        coder.codec.encode_result(coder.task(), lambda: None)
    with pytest.raises(SerializationError, match=r"the arguments of task shop\.jobs\.pay have no text"):
        coder.codec.argument_texts(coder.task(), {"value": lambda: None})


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("PickleSerializer", b""),
        ("PickleSerializer", b"garbage"),
        ("PickleSerializer", b"cno.such.module\nThing\n."),
        ("JsonPickleSerializer", b""),
        ("JsonPickleSerializer", b"\xff"),
        ("JsonPickleSerializer", b'{"py/object": "no.such.module.Thing"}'),
    ],
)
def test_a_body_that_it_cannot_read_is_refused_with_the_name_of_the_task(opted_in: Any, name: str, body: bytes) -> None:
    coder = opted_in(name)
    payload = bytes([coder.codec.serializer.tag]) + body
    with pytest.raises(SerializationError, match=r"the result of task shop\.jobs\.pay cannot be read"):
        coder.codec.decode_result(coder.task(), payload)


def test_arguments_that_are_no_dict_are_refused(opted_in: Any) -> None:
    coder = opted_in("PickleSerializer")
    with pytest.raises(SerializationError, match="are no dict but list"):
        coder.codec.decode_arguments(coder.task(), b"\x02" + pickle.dumps([1]))


def test_without_its_package_jsonpickle_is_a_configuration_error(
    opted_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jsonpickle", None)
    coder = opted_in("JsonPickleSerializer")
    for do, what in ((coder.codec.encode_result, 5), (coder.codec.decode_result, b"\x035")):
        with pytest.raises(ConfigError, match="which needs the package jsonpickle: install it, or use JsonSerializer"):
            do(coder.task(), what)


def test_a_serializer_of_your_own_is_selected_by_name(coder_of: Any) -> None:
    coder = coder_of(serializer_cls="Reversed")
    assert coder.as_argument(Any, 12) == "{'value': 12}"
    assert type(Pynenc("own", {"serializer_cls": "Reversed"}).serializer) is Reversed


# -- the serializers by themselves -------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 5, "ünï", [1, {"a": None}], 2**80, -0.0])
@pytest.mark.parametrize("serializer", [JsonSerializer, PickleSerializer, JsonPickleSerializer])
def test_text_comes_back(serializer: type[BaseSerializer], value: Any) -> None:
    text = serializer.serialize(value)
    assert isinstance(text, str)
    assert serializer.deserialize(text) == value


def test_json_makes_lists_of_tuples_and_pickle_is_base64() -> None:
    assert JsonSerializer.serialize((1, (2,))) == "[1,[2]]"
    assert pickle.loads(base64.b64decode(PickleSerializer.serialize((1,)))) == (1,)


@pytest.mark.parametrize(
    "value",
    [float("nan"), object(), "\ud800", {(1, 2): 3}, {1.5: {float("inf")}}],
    ids=["nan", "object", "surrogate", "key that is no text", "infinity in a set"],
)
def test_the_json_serializer_refuses_a_value_without_a_json_form(value: Any) -> None:
    with pytest.raises(SerializationError, match="has no JSON form"):
        JsonSerializer.serialize(value)


@pytest.mark.parametrize("text", ["", "[", "NaN", "{'a': 1}", "[1] x", "1e999", '"\\ud800"', "[" * 100_000])
def test_the_json_serializer_refuses_text_that_is_no_json(text: str) -> None:
    with pytest.raises(SerializationError, match="this is no JSON"):
        JsonSerializer.deserialize(text)
