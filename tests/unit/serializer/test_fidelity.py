"""A value that would come back changed is refused when it is passed, with its path and the remedies."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import pathlib
import uuid
from typing import Any, NamedTuple, TypedDict

import attrs
import msgspec
import pydantic
import pytest
from support.jobs import shapes

from pynenc import Pynenc
from pynenc.exceptions import SerializationError
from pynenc.identifiers import InvocationId, TaskId


class Colour(enum.StrEnum):
    RED = "red"


class Pair(NamedTuple):
    x: Any
    y: int = 0


@dataclasses.dataclass
class Shape:
    name: str
    inner: Any = None


@dataclasses.dataclass
class Circle(Shape):
    radius: float = 1.0


@attrs.define
class AttrsShape:
    name: str


@attrs.define
class AttrsCircle(AttrsShape):
    radius: float = 1.0


class StructShape(msgspec.Struct):
    name: str


class StructCircle(StructShape):
    radius: float = 1.0


class Base(msgspec.Struct, tag=True):
    name: str


class TaggedCircle(Base):
    radius: float = 1.0


class TaggedSquare(Base):
    side: float = 1.0


class ModelShape(pydantic.BaseModel):
    name: str


class ModelCircle(ModelShape):
    radius: float = 1.0


class Drawing(pydantic.BaseModel):
    shape: ModelShape


class OpenShape(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    name: str


class OpenCircle(OpenShape):
    radius: float = 1.0


class OpenMeeting(OpenShape):
    when: Any


class AnyDrawing(pydantic.BaseModel):
    shape: pydantic.SerializeAsAny[OpenShape]


class Secretive(pydantic.BaseModel):
    password: pydantic.SecretStr


class Film(TypedDict):
    title: str


class LongFilm(Film):
    minutes: int


class Box:
    """Has its own form."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def to_json(self) -> Any:
        return {"content": self.content}

    @classmethod
    def from_json(cls, data: Any) -> Box:
        raise AssertionError("needs what only the runner has")


DAY = dt.date(2024, 2, 29)
UNTYPED = [
    (b"x", "bytes"),
    (dt.datetime(2024, 1, 1), "datetime.datetime"),
    (DAY, "datetime.date"),
    ({1}, "set"),
    (frozenset({1}), "frozenset"),
    ((1, 2), "tuple"),
    (uuid.UUID(int=1), "uuid.UUID"),
    (decimal.Decimal(1), "decimal.Decimal"),
    (pathlib.Path("a"), "pathlib.PosixPath"),
    (Colour.RED, "Colour"),
    (Shape("a"), "Shape"),
    (ModelShape(name="a"), "ModelShape"),
    (AttrsShape("a"), "AttrsShape"),
    (StructShape("a"), "StructShape"),
    (Pair(1), "Pair"),
    (collections.OrderedDict(a=1), "collections.OrderedDict"),
    (collections.defaultdict(int, a=1), "collections.defaultdict"),
]


@pytest.mark.parametrize("annotation", ["unannotated", Any, list[Any], dict[str, Any], list, dict])
@pytest.mark.parametrize(("value", "kind"), UNTYPED, ids=lambda value: type(value).__name__)
def test_without_a_type_only_plain_json_travels(coder: Any, annotation: Any, value: Any, kind: str) -> None:
    wrapped: Any = value
    place = "value"
    if annotation in (list, list[Any]):
        wrapped, place = [0, value], "value[1]"
    elif annotation in (dict, dict[str, Any]):
        wrapped, place = {"k": [value]}, "value['k'][0]"
    annotation = coder.unannotated if annotation == "unannotated" else annotation
    for carry, path in ((coder.as_argument, place), (coder.as_result, place.replace("value", "result", 1))):
        with pytest.raises(SerializationError) as raised:
            carry(annotation, wrapped)
        text = str(raised.value)
        assert "shop.jobs.pay" in text
        assert "would come back as " in text
        assert kind in text
        assert path in text or path in ("value", "result")
        for remedy in ("annot", "lossy=True", "serializer_cls"):
            assert remedy in text
        carry(annotation, wrapped, lossy=True)


@pytest.mark.parametrize(
    ("annotation", "value", "path"),
    [
        (list[int], (1, 2), "value"),
        (tuple[int, int], [1, 2], "value"),
        (set[int], [1], "value"),
        (dt.date, "2024-02-29", "value"),
        (decimal.Decimal, 0.5, "value"),
        (dict[str, int], collections.Counter(a=1), "value"),
        (list[Shape], [Shape("a"), {"name": "b"}], "value[1]"),
        (Shape, Shape("a", {"k": (1,)}), "value.inner['k']"),
        (Pair, Pair((1, 2)), "value.x"),
        (float, 2**53 + 1, "value"),
        (collections.deque[int], collections.deque([1], maxlen=3), "value"),
        (Secretive, Secretive(password="abc"), "value.password"),  # type: ignore[arg-type]
    ],
    ids=str,
)
def test_a_value_of_another_type_than_the_annotation_is_refused(
    coder: Any, annotation: Any, value: Any, path: str
) -> None:
    with pytest.raises(SerializationError) as raised:
        coder.as_argument(annotation, value)
    assert "would come back" in str(raised.value)
    assert path in str(raised.value)


@pytest.mark.parametrize(
    ("annotation", "value", "path"),
    [
        (Shape, Circle("c"), "value"),
        (list[Shape], [Shape("a"), Circle("c")], "value[1]"),
        (dict[str, Shape], {"c": Circle("c")}, "value['c']"),
        (Shape | None, Circle("c"), "value"),
        (tuple[int, Shape], (1, Circle("c")), "value[1]"),
        (AttrsShape, AttrsCircle("c"), "value"),
        (StructShape, StructCircle("c"), "value"),
        (ModelShape, ModelCircle(name="c"), "value"),
        (Drawing, Drawing(shape=ModelCircle(name="c")), "value.shape"),
        (list[Drawing], [Drawing(shape=ModelCircle(name="c"))], "value[0].shape"),
        (Film, {"title": "M", "minutes": 117}, "value['minutes']"),
        (list[Film], [{"title": "M", "minutes": 117}], "value[0]['minutes']"),
    ],
    ids=str,
)
def test_fields_of_a_subclass_are_not_lost_without_a_word(coder: Any, annotation: Any, value: Any, path: str) -> None:
    for carry, place in ((coder.as_argument, path), (coder.as_result, path.replace("value", "result", 1))):
        with pytest.raises(SerializationError, match=r"would come back as|would be lost") as raised:
            carry(annotation, value)
        assert place in str(raised.value) or place == "result"


def test_a_subclass_is_kept_where_the_class_says_how(coder: Any) -> None:
    for value in (TaggedCircle("c", 2.0), TaggedSquare("s", 3.0)):
        assert coder.as_argument(TaggedCircle | TaggedSquare, value) == value
    assert coder.as_argument(Circle, Circle("c", radius=2.0)) == Circle("c", radius=2.0)
    assert coder.as_argument(LongFilm, {"title": "M", "minutes": 117}) == {"title": "M", "minutes": 117}
    back = coder.as_argument(AnyDrawing, AnyDrawing(shape=OpenCircle(name="c", radius=2.0)))
    assert (back.shape.name, back.shape.radius) == ("c", 2.0)


@pytest.mark.parametrize(
    "when", [DAY, {"k": [DAY]}, ModelShape(name="a"), (1, 2)], ids=lambda when: type(when).__name__
)
def test_an_extra_field_of_a_base_model_keeps_its_type(coder: Any, when: Any) -> None:
    back = coder.as_argument(OpenShape, OpenMeeting(name="m", when=["plain", 1.0]))
    assert back.when == ["plain", 1.0]
    for annotation, value in (
        (OpenShape, OpenMeeting(name="m", when=when)),
        (OpenShape, OpenShape(name="m", when=when)),  # type: ignore[call-arg]
        (AnyDrawing, AnyDrawing(shape=OpenMeeting(name="m", when=when))),
    ):
        with pytest.raises(SerializationError, match=r"\.when.* would come back as"):
            coder.as_argument(annotation, value)
        coder.as_argument(annotation, value, lossy=True)


@pytest.mark.parametrize(
    ("annotation", "value"), [(int, 0.5), (int, "3"), (int, True), (str, 3), (list[int], [1, "x"]), (int | None, "x")]
)
def test_a_wrong_type_is_refused_at_the_call_with_the_text_of_the_runner(
    coder: Any, annotation: Any, value: Any
) -> None:
    task = coder.task(annotation)
    written = msgspec.json.encode(value)
    with pytest.raises(SerializationError) as runners:
        coder.codec.decode_arguments(task, b'\x01{"value":%b}' % written)
    with pytest.raises(SerializationError) as ours:
        coder.codec.encode_arguments(task, {"value": value})
    found, said = str(ours.value), str(runners.value)
    assert found.startswith(said)
    assert found.removeprefix(said).split("pass ")[0] in (": ", f", given {type(value).__name__}: ")


@pytest.mark.parametrize(
    ("annotation", "value", "advice"),
    [
        (int, "3", "Expected `int`, got `str`, given str: pass int, or annotate the parameter as str"),
        (dt.datetime, DAY, ", given datetime.date: pass datetime.datetime, or annotate the parameter as datetime.date"),
        (int, None, ", given None: pass int, or annotate the parameter as int | None"),
        (int, b"3", ", given bytes: pass int, or annotate the parameter as bytes"),
        (list[int], ["x"], "pass what the annotation of the parameter says, or change the annotation"),
        (int | None, "x", "pass what the annotation of the parameter says, or change the annotation"),
        (Film, {"minutes": 3}, "or annotate the parameter as dict"),
        (ModelShape, {"name": 3}, "or annotate the parameter as dict"),
    ],
    ids=str,
)
def test_a_value_that_does_not_fit_its_annotation_is_refused_with_the_remedy(
    coder: Any, annotation: Any, value: Any, advice: str
) -> None:
    with pytest.raises(SerializationError, match="the arguments do not fit its parameters") as raised:
        coder.as_argument(annotation, value)
    assert str(raised.value).endswith(advice)


@pytest.mark.parametrize(("annotation", "value"), [(int, "3"), (dt.datetime, DAY), (list[int], ["x"])], ids=str)
def test_a_result_that_does_not_fit_is_refused_with_what_to_do(coder: Any, annotation: Any, value: Any) -> None:
    with pytest.raises(SerializationError, match=r": return what the annotation says, or change the annotation$"):
        coder.codec.encode_result(coder.task(annotation), value)


def test_an_int_is_accepted_for_a_float(coder: Any) -> None:
    for annotation, value in ((float, 3), (list[float], [1, 2.5]), (dict[str, float], {"a": 1}), (float | None, 2)):
        assert coder.as_argument(annotation, value) == value
        assert coder.as_result(annotation, value) == value
    assert type(coder.as_argument(float, 3)) is float


@pytest.mark.parametrize("annotation", [float, Any, object, float | None], ids=str)
def test_containers_of_floats_alone_are_checked_one_by_one(coder: Any, annotation: Any) -> None:
    for container, value in ((list[annotation], [0.5, -1e300]), (dict[str, annotation], {"a": 0.5, "b": 2.0})):
        assert coder.as_argument(container, value) == value
        assert coder.as_result(list[container], [value]) == [value]
    for number in (float("nan"), float("inf"), Ratio("nan")):
        for container, value in ((list[annotation], [0.5, number]), (dict[str, annotation], {"a": 0.5, "b": number})):
            for carry in (coder.as_argument, coder.as_result):
                with pytest.raises(SerializationError, match="JSON has no form"):
                    carry(container, value)


class Cents(int):
    pass


class Ratio(float):
    pass


class Name(str):
    note: str


class Guarded(pydantic.BaseModel):
    name: str
    _note: str = pydantic.PrivateAttr(default="none")


def test_attributes_that_are_no_declared_fields_are_not_encoded(coder: Any) -> None:
    """As the guide says."""
    name, cents, shape, guarded = Name("a"), Cents(5), Shape("a"), Guarded(name="a")
    for one in (name, cents, shape):
        one.note = "here"  # type: ignore[union-attr]
    guarded._note = "here"
    for annotation, value in ((Name, name), (str, name), (Cents, cents), (int, cents), (Shape, shape)):
        for back in (coder.as_argument(annotation, value), coder.as_result(annotation, value)):
            assert back == value
            assert type(back) is annotation
            assert not hasattr(back, "note")
    assert coder.as_argument(Guarded, guarded)._note == "none"


def test_ids_are_text(coder: Any) -> None:
    identity, task_id = InvocationId("01a22f2e-cbe2-7000-b370-4ef5e29202c5"), TaskId("shop", "pay")
    for annotation in (str, Any, coder.unannotated, str | None):
        assert coder.as_argument(annotation, identity) == identity
        assert coder.as_result(annotation, task_id) == task_id
    for annotation in (dict[str, Any], dict[str, list[str]], Any):
        assert coder.as_argument(annotation, {identity: [task_id]}) == {identity: [task_id]}


def test_no_code_of_a_class_runs_at_the_call_to_check_what_fits(coder: Any) -> None:
    calls: list[int] = []

    @dataclasses.dataclass
    class Counted:
        amount: int
        box: list[Box]

        def __post_init__(self) -> None:
            calls.append(self.amount)

    Counted.__annotations__ = {"amount": int, "box": list[Box]}
    value = Counted(1, [Box(1)])
    coder.codec.encode_arguments(coder.task(Counted), {"value": value})
    assert calls == [1]


def test_the_error_names_the_path_of_a_value_without_a_json_form(coder: Any) -> None:
    with pytest.raises(SerializationError, match=r"\(at value\['k'\]\[1\]\.inner\)"):
        coder.as_argument(Any, {"k": [1, Shape("a", object())]})
    with pytest.raises(SerializationError, match=r"\(at result\[2\]\)"):
        coder.as_result(list[float], [1.0, 2.0, float("nan")])


def test_the_option_lossy_is_one_of_the_task(memory_env: None) -> None:
    app = Pynenc("lossy", {"store_url": "memory://"})
    strict, loose = app.task(shapes.named), app.task(lossy=True)(shapes.calm)
    assert (strict.conf.lossy, loose.conf.lossy) == (False, True)
    assert app._runtime.codec.decode_result(loose, app._runtime.codec.encode_result(loose, "x")) == "x"
