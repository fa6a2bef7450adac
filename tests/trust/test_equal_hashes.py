"""Elements and keys with one hash, which a payload can choose freely: counted and refused in linear time."""

from __future__ import annotations

import collections
import dataclasses
import decimal
import fractions
import json
import random
import time
import typing
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Generic, NamedTuple, NewType, TypedDict, TypeVar

import attrs
import msgspec
import pydantic
import pytest

from pynenc import Pynenc
from pynenc.exceptions import SerializationError
from pynenc.serializer.collisions import MAX_EQUAL_HASHES

P = 2**61 - 1
"""Multiples of it have the hash 0 in CPython."""
MANY = 60_000
"""Putting so many elements of one hash into a set takes minutes."""
DEADLINE_SEC = 30.0

T = TypeVar("T")
UserId = NewType("UserId", int)


@dataclasses.dataclass(frozen=True)
class Point:
    x: int
    y: int


@dataclasses.dataclass
class Holder:
    numbers: set[int]
    more: int = 0


@dataclasses.dataclass
class Box(Generic[T]):
    content: set[T]


@dataclasses.dataclass
class Node:
    tags: set[int]
    children: list[Node] = dataclasses.field(default_factory=list)


class Struct(msgspec.Struct, rename="camel"):
    the_numbers: dict[int, str]


class Row(msgspec.Struct, array_like=True, tag="row"):
    first: str
    numbers: frozenset[int]


@attrs.define
class Attrs:
    numbers: set[int]


class Typed(TypedDict):
    numbers: typing.Required[set[int]]


class Named(NamedTuple):
    first: int
    numbers: set[int]


class Model(pydantic.BaseModel):
    numbers: set[int] = pydantic.Field(alias="theNumbers")


class Choices(pydantic.BaseModel):
    numbers: set[int] | list[str]


class Keys(pydantic.BaseModel):
    numbers: dict[int, Model]


class Amount:
    """A class that defines its JSON form, with the hash of its content."""

    def __init__(self, value: fractions.Fraction) -> None:
        self.value = value

    def to_json(self) -> str:
        return str(self.value)

    @classmethod
    def from_json(cls, data: str) -> Amount:
        return cls(fractions.Fraction(data))

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Amount) and self.value == other.value


def takes_set(value: set[int]) -> set[int]:
    return value


def _numbers(count: int) -> list[int]:
    return [number * P for number in range(1, count + 1)]


def _rotated(value: int, by: int) -> int:
    value &= 2**64 - 1
    return ((value << by) | (value >> (64 - by))) & (2**64 - 1)


def _pairs(count: int) -> list[list[int]]:
    """Return pairs of numbers whose tuples have one hash: the second number is computed from the first."""
    prime_1, prime_2, prime_5 = 11400714785074694791, 14029467366897019727, 2870177450012600261
    inverse_2 = pow(prime_2, -1, 2**64)

    def after(accumulator: int, lane: int) -> int:
        return (_rotated(accumulator + lane * prime_2, 31) * prime_1) % 2**64

    target = _rotated(after(after(prime_5, 1), 1) * pow(prime_1, -1, 2**64) % 2**64, 64 - 31)
    found: list[list[int]] = []
    first = 0
    while len(found) < count:
        first += 1
        second = ((target - after(prime_5, first)) * inverse_2) % 2**64
        if second < P:
            found.append([first, second])
    assert len({hash(tuple(pair)) for pair in found}) == 1
    return found


def _keys(numbers: list[int]) -> dict[str, int]:
    return {str(number): 1 for number in numbers}


FORMS: dict[str, tuple[Any, Callable[[], Any]]] = {
    "set of int": (set[int], lambda: _numbers(MANY)),
    "bare set": (set, lambda: _numbers(MANY)),
    "frozenset of int": (frozenset[int], lambda: _numbers(MANY)),
    "abstract set": (collections.abc.Set[int], lambda: _numbers(MANY)),
    "negative numbers": (set[int], lambda: [-number for number in _numbers(MANY)]),
    "one bad element at the end": (set[int], lambda: [*_numbers(MANY), "x"]),
    "dict": (dict[int, int], lambda: _keys(_numbers(MANY))),
    "mapping": (collections.abc.Mapping[int, int], lambda: _keys(_numbers(MANY))),
    "OrderedDict": (collections.OrderedDict[int, int], lambda: _keys(_numbers(MANY))),
    "defaultdict": (collections.defaultdict[int, int], lambda: _keys(_numbers(MANY))),
    "Counter": (collections.Counter[int], lambda: _keys(_numbers(MANY))),
    "dict of Decimal": (dict[decimal.Decimal, int], lambda: _keys(_numbers(MANY))),
    "dict of UUID": (
        dict[uuid.UUID, int],
        lambda: {str(uuid.UUID(int=number)): 1 for number in _numbers(MANY)},
    ),
    "set of Decimal": (set[decimal.Decimal], lambda: [str(number) for number in _numbers(MANY)]),
    "set of Decimal as numbers": (set[decimal.Decimal], lambda: _numbers(MANY)),
    "set of UUID": (set[uuid.UUID], lambda: [str(uuid.UUID(int=number)) for number in _numbers(MANY)]),
    "set of pairs": (set[tuple[int, int]], lambda: _pairs(MANY // 4)),
    "set of dataclasses": (set[Point], lambda: [{"x": x, "y": y} for x, y in _pairs(MANY // 4)]),
    "set of own": (set[Amount], lambda: [f"{number}/1" for number in _numbers(MANY // 4)]),
    "set of frozensets": (set[frozenset[int]], lambda: [[number] for number in _numbers(MANY)]),
    "set or None": (set[int] | None, lambda: _numbers(MANY)),
    "set or text": (set[int] | str, lambda: _numbers(MANY)),
    "annotated": (Annotated[set[Annotated[int, "x"]], "y"], lambda: _numbers(MANY)),
    "new type": (set[UserId], lambda: _numbers(MANY)),
    "within lists": (list[list[set[int]]], lambda: [[[], _numbers(MANY)]]),
    "within a tuple": (tuple[int, set[int]], lambda: [1, _numbers(MANY)]),
    "within a deque": (collections.deque[set[int]], lambda: [_numbers(MANY)]),
    "within a dict": (dict[str, set[int]], lambda: {"a": _numbers(MANY)}),
    "within a dict of int": (dict[int, set[int]], lambda: {"1": _numbers(MANY)}),
    "in a dataclass": (Holder, lambda: {"numbers": _numbers(MANY)}),
    "in a generic": (Box[int], lambda: {"content": _numbers(MANY)}),
    "in a recursive dataclass": (Node, lambda: {"tags": [], "children": [{"tags": _numbers(MANY)}]}),
    "in a struct": (Struct, lambda: {"theNumbers": _keys(_numbers(MANY))}),
    "in a struct as a list": (Row, lambda: ["row", "a", _numbers(MANY)]),
    "in attrs": (Attrs, lambda: {"numbers": _numbers(MANY)}),
    "in a TypedDict": (Typed, lambda: {"numbers": _numbers(MANY)}),
    "in a NamedTuple": (Named, lambda: [1, _numbers(MANY)]),
    "in a model": (Model, lambda: {"theNumbers": _numbers(MANY)}),
    "in a model, as texts": (Model, lambda: {"theNumbers": [str(number) for number in _numbers(MANY)]}),
    "in a model, or": (Choices, lambda: {"numbers": _numbers(MANY)}),
    "in models": (list[Keys], lambda: [{"numbers": {"1": {"theNumbers": _numbers(MANY)}}}]),
    "as keys in a model": (Keys, lambda: {"numbers": {str(n): {"theNumbers": []} for n in _numbers(MANY // 4)}}),
}


@pytest.fixture
def app(memory_env: None) -> Pynenc:
    return Pynenc()


def _task(app: Pynenc, hint: Any) -> Any:
    def job(value):  # type: ignore[no-untyped-def]
        return value

    job.__qualname__ = "job"
    job.__annotations__ = {"value": hint, "return": hint}
    return app.task(job)


def _payload(value: Any) -> bytes:
    return b"\x01" + json.dumps(value).encode()


def _refused_soon(read: Callable[[], Any]) -> str:
    began = time.monotonic()
    with pytest.raises(SerializationError) as raised:
        read()
    assert time.monotonic() - began < DEADLINE_SEC
    assert len(str(raised.value)) < 1000
    return str(raised.value)


@pytest.mark.parametrize("form", FORMS)
def test_arguments_whose_elements_have_one_hash_are_refused_in_linear_time(app: Pynenc, form: str) -> None:
    hint, values = FORMS[form]
    task = _task(app, hint)
    payload = _payload({"value": values()})
    text = _refused_soon(lambda: app._runtime.codec.decode_arguments(task, payload))
    assert "argument value" in text
    assert f"more than {MAX_EQUAL_HASHES} " in text
    assert "have the same hash" in text


@pytest.mark.parametrize("form", ["set of int", "dict", "Counter", "in a dataclass", "in a model", "set of pairs"])
def test_results_whose_elements_have_one_hash_are_refused_in_linear_time(app: Pynenc, form: str) -> None:
    hint, values = FORMS[form]
    task = _task(app, hint)
    payload = _payload(values())
    text = _refused_soon(lambda: app._runtime.codec.decode_result(task, payload))
    assert "have the same hash" in text


@pytest.mark.parametrize(
    "body",
    [
        '{"value":{"numbers":%s,"numbers":[]}}',
        '{"value":{"numbers":[]},"value":{"numbers":%s},"value":{"numbers":[]}}',
    ],
)
def test_a_repeated_key_of_a_json_object_is_refused(app: Pynenc, body: str) -> None:
    task = _task(app, Holder)
    payload = b"\x01" + (body % json.dumps(_numbers(MANY))).encode()
    assert "key twice" in _refused_soon(lambda: app._runtime.codec.decode_arguments(task, payload))


@pytest.mark.parametrize(
    ("hint", "values"),
    [
        (set[int], lambda r: {r.randrange(-(10**30), 10**30) for _ in range(5000)}),
        (set[int], lambda r: {number * P for number in range(MAX_EQUAL_HASHES)}),
        (dict[int, str], lambda r: dict.fromkeys(range(5000), "x")),
        (set[float], lambda r: {r.uniform(-1e300, 1e300) for _ in range(5000)}),
        (set[float], lambda r: {float(2**exponent) for exponent in range(1000)}),
        (set[decimal.Decimal], lambda r: {decimal.Decimal(r.randrange(10**20)) / 1000 for _ in range(5000)}),
        (set[uuid.UUID], lambda r: {uuid.UUID(int=r.getrandbits(128)) for _ in range(5000)}),
        (set[str], lambda r: {str(number * P) for number in range(5000)}),
        (set[date], lambda r: {date(2000, 1, 1) + timedelta(days=number) for number in range(5000)}),
        (set[datetime], lambda r: {datetime(2000, 1, 1) + timedelta(hours=number) for number in range(5000)}),
        (set[tuple[int, int]], lambda r: {(r.randrange(100), r.randrange(100)) for _ in range(5000)}),
        (set[Point], lambda r: {Point(r.randrange(100), r.randrange(100)) for _ in range(5000)}),
        (set[frozenset[int]], lambda r: {frozenset({number, number + 1}) for number in range(5000)}),
        (collections.Counter[int], lambda r: collections.Counter(r.randrange(10**6) for _ in range(5000))),
        (Node, lambda r: Node({r.randrange(10**9) for _ in range(2000)}, [Node({1}), Node(set())])),
        (Box[int], lambda r: Box({r.randrange(10**9) for _ in range(2000)})),
        (Model, lambda r: Model(theNumbers={r.randrange(10**9) for _ in range(2000)})),
        (Choices, lambda r: Choices(numbers=[str(number) for number in range(2000)])),
        (list[set[int]], lambda r: [{number} for number in range(3000)]),
    ],
    ids=lambda value: "values" if callable(value) and not isinstance(value, type) else str(value),
)
def test_honest_values_travel_as_before(
    app: Pynenc, seed: int, hint: Any, values: Callable[[random.Random], Any]
) -> None:
    value = values(random.Random(seed))
    task = _task(app, hint)
    decoded = app._runtime.codec.decode_arguments(task, app._runtime.codec.encode_arguments(task, {"value": value}))
    assert decoded == {"value": value}
    assert app._runtime.codec.decode_result(task, app._runtime.codec.encode_result(task, value)) == value


def test_a_payload_that_repeats_one_element_is_no_attack(app: Pynenc) -> None:
    task = _task(app, set[int])
    assert app._runtime.codec.decode_result(task, _payload([P, 2 * P] * 50_000)) == {P, 2 * P}


@pytest.mark.parametrize(
    ("hint", "body"),
    [
        (Any, "[" * 100_000 + "]" * 100_000),
        (set[int], "[" * 100_000 + "]" * 100_000),
        (dict[str, Any], '{"a":' * 100_000 + "1" + "}" * 100_000),
        (list[set[int]], "[" * 5_000),
        (int, "1" * 5_000_000),
        (set[int], "[" + "1" * 5_000_000 + "]"),
        (set[int], "[1e400," + ",".join("1" * 2000) + "]"),
        (set[int], '["\\ud800",' + ",".join("1" * 2000) + "]"),
        (set[int], "[NaN," + ",".join("1" * 2000) + "]"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_depth_and_length_are_refused_soon(app: Pynenc, hint: Any, body: str) -> None:
    task = _task(app, hint)
    _refused_soon(lambda: app._runtime.codec.decode_result(task, b"\x01" + body.encode()))


def test_a_payload_just_below_the_limit_is_read_soon(app: Pynenc) -> None:
    task = _task(app, set[int])
    numbers = set(range(1_000_000, 2_000_000))
    payload = app._runtime.codec.encode_result(task, numbers)
    assert len(payload) > 0.9 * app.conf.max_payload_bytes
    began = time.monotonic()
    assert app._runtime.codec.decode_result(task, payload) == numbers
    assert time.monotonic() - began < DEADLINE_SEC


def test_a_task_without_sets_or_number_keys_has_no_guard(app: Pynenc) -> None:
    def plain(a: int, b: str, c: list[dict[str, Any]], d: Typed | None, *rest: float) -> dict[str, list[date]]:
        raise NotImplementedError

    plain.__qualname__ = "plain"
    plain.__annotations__.update({"a": int, "b": str, "c": list[dict[str, Any]], "d": Any, "rest": float})
    plain.__annotations__["return"] = dict[str, list[date]]
    codec = app._runtime.codec._json(app.task(plain))
    assert codec._guarded[0] is None
    assert codec._result_guard is None
