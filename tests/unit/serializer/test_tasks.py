"""A task within arguments and results is encoded by its id if an annotation restores it, and is refused otherwise."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Optional

import pytest
from support.jobs import shapes

from pynenc import Pynenc, Task
from pynenc.call import Call, LazyCall
from pynenc.exceptions import SerializationError


@dataclasses.dataclass
class Step:
    name: str
    task: Task[..., Any]


@pytest.fixture
def calm(coder: Any) -> Task[[], str]:
    found: Task[[], str] = coder.app.task(shapes.calm)
    return found


@pytest.mark.parametrize("annotation", [Task, Task[..., Any], Task[[int], str], Task | None, Optional[Task[[], str]]])  # noqa: UP045
@pytest.mark.parametrize("way", ["as_argument", "as_result"])
def test_a_task_comes_back_as_the_task_it_is(coder: Any, calm: Any, annotation: Any, way: str) -> None:
    assert getattr(coder, way)(annotation, calm) is calm


@pytest.mark.parametrize("way", ["as_argument", "as_result"])
def test_tasks_come_back_within_what_is_annotated(coder: Any, calm: Any, way: str) -> None:
    carry = getattr(coder, way)
    assert carry(list[Task[..., Any]], [calm, calm]) == [calm, calm]
    assert carry(dict[str, Task[..., Any]], {"a": calm}) == {"a": calm}
    assert carry(set[Task[..., Any]], {calm}) == {calm}
    assert carry(tuple[int, Task[..., Any]], (1, calm)) == (1, calm)
    assert carry(Step, Step("first", calm)) == Step("first", calm)


@pytest.mark.parametrize("way", ["as_argument", "as_result"])
@pytest.mark.parametrize(
    "annotation", ["unannotated", Any, dict, list[Any], Callable[..., Any], str, Task[..., Any] | str]
)
@pytest.mark.parametrize("wrap", [lambda task: task, lambda task: [task], lambda task: {"deep": [{task}]}])
def test_a_task_that_would_not_come_back_as_one_is_refused_where_it_is_sent(
    coder: Any, calm: Any, way: str, annotation: Any, wrap: Any
) -> None:
    annotation = coder.unannotated if annotation == "unannotated" else annotation
    with pytest.raises(SerializationError, match=r"shop\.jobs\.pay") as raised:
        getattr(coder, way)(annotation, wrap(calm))
    reasons = ("annotate it as Task", "annotation cannot be used", "would come back as", "does not fit the annotation")
    assert any(reason in str(raised.value) for reason in reasons)


def test_a_task_of_another_app_is_refused(coder: Any, calm: Any) -> None:
    other = Pynenc("another", {"store_url": "memory://"}).task(shapes.calm)
    with pytest.raises(SerializationError, match=r"task .*calm of app 'another'.* app 'coder'"):
        coder.as_argument(Task, other)


@pytest.mark.parametrize(
    "written", ['"support.jobs.shapes.calm"', "{}", '{"__pynenc_task__":1}', '{"__pynenc_task__":"a.b","more":1}']
)
def test_a_value_that_is_no_task_is_refused_when_it_is_read(coder: Any, calm: Any, written: str) -> None:
    with pytest.raises(SerializationError, match="value: expected a task"):
        coder.codec.decode_arguments(coder.task(Task), b'\x01{"value":%s}' % written.encode())


def test_an_unknown_task_is_refused_and_its_module_is_not_imported(coder: Any, calm: Any, tmp_path: Path) -> None:
    (tmp_path / "planted.py").write_text("raise SystemExit('imported')\n")
    sys.path.insert(0, str(tmp_path))
    try:
        with pytest.raises(SerializationError, match=r"no task 'planted\.run'"):
            coder.codec.decode_result(coder.task(Task), b'\x01{"__pynenc_task__":"planted.run"}')
    finally:
        sys.path.remove(str(tmp_path))
    assert "planted" not in sys.modules


def test_a_dict_in_the_form_of_a_task_stays_a_dict(coder: Any, calm: Any) -> None:
    looks = {"__pynenc_task__": str(calm.task_id)}
    assert coder.as_argument(coder.unannotated, looks) == looks
    assert coder.as_argument(dict[str, str], looks) == looks


def test_calls_with_tasks_have_ids_and_texts_that_lead_back(coder: Any, calm: Any) -> None:
    app = coder.app
    first = app.task(shapes.named)
    call = Call(first, first.args(calm))
    again = Call(first, first.args(calm))
    assert call.call_id == again.call_id
    assert LazyCall(first, call.serialized_arguments).arguments.kwargs == {"task": calm}
    other = app.task(shapes.urgent)
    assert Call(first, first.args(other)).call_id != call.call_id


def test_a_task_as_a_default_stays_where_the_function_is(coder: Any) -> None:
    app = coder.app
    pinned = app.task(shapes.calm)

    def body(task=pinned): ...  # type: ignore[no-untyped-def]

    spec = coder.task(func=body)
    payload = coder.codec.encode_arguments(spec, {"task": pinned})
    assert payload == b"\x01{}"
    assert coder.codec.decode_arguments(spec, payload) == {}


@pytest.mark.filterwarnings("ignore:serializer_cls is:UserWarning")
@pytest.mark.parametrize("name", ["PickleSerializer", "JsonPickleSerializer"])
def test_with_a_serializer_of_whole_objects_no_annotation_is_needed(coder_of: Any, name: str) -> None:
    coder = coder_of(serializer_cls=name, store_url="memory://")
    task = coder.app.task(shapes.calm)
    assert coder.as_argument(coder.unannotated, task) is task
