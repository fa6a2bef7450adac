"""A decorated function is called as the caller called it, and its attributes do not hide the task's."""

from __future__ import annotations

import pickle
from datetime import date
from typing import Any

import pytest
from support.worlds import World, load_jobs

from pynenc import Pynenc, Task
from pynenc.exceptions import SerializationError

DAY = date(2024, 2, 29)


@pytest.fixture
def jobs(thread_world: World) -> Any:
    thread_world.start()
    return thread_world.jobs.decorated


def test_a_body_is_called_by_position_and_by_name_as_the_caller_called(jobs: Any) -> None:
    calls = [
        (jobs.positional_only_wrapper(1), [1, 3]),
        (jobs.positional_only_wrapper(1, 5), [1, 6]),
        (jobs.measured(1), "1 from the decorator"),
        (jobs.measured(1, "mm"), None),
        (jobs.measured(1, unit="mm"), "1 mm"),
        (jobs.measured(value=1, unit="mm"), "1 mm"),
        (jobs.in_session("orders"), ["session", "orders", 10]),
        (jobs.in_session("orders", limit=3), ["session", "orders", 3]),
        (jobs.in_session(table="orders"), ["session", "orders", 10]),
        (jobs.on_day(DAY), ["date", "session"]),
        (jobs.on_day(day=DAY), ["date", "session"]),
        (jobs.own_parameters("orders"), ["session", "orders", 10]),
        (jobs.own_parameters("orders", limit=2), ["session", "orders", 2]),
        (jobs.seen_through(DAY), ["date", [], "cm", {}]),
        (jobs.seen_through(DAY, 1, 2, unit="mm", x=3), ["date", [1, 2], "mm", {"x": 3}]),
        (jobs.shown("text"), "object text"),
        (jobs.shown(5), "int 5"),
        (jobs.shown(5, extra="!"), "int 5!"),
        (jobs.cached(4), 8),
        (jobs.left_out(1), [1, "default", 0.5]),
        (jobs.left_out(1, last=2), [1, "default", 2.0]),
        (jobs.attributed(3), 3),
    ]
    for invocation, expected in calls:
        if expected is None:
            # As Python has it: by position and by the decorator's default at once.
            with pytest.raises(TypeError, match="multiple values for argument 'unit'"):
                invocation.get_result(timeout=60)
        else:
            assert invocation.get_result(timeout=60) == expected, invocation.task.task_id


def test_arguments_that_the_outermost_callable_does_not_take_are_refused_in_pythons_words(thread_world: World) -> None:
    jobs = thread_world.jobs.decorated
    for task, args, kwargs in (
        (jobs.own_parameters, (), {}),
        (jobs.own_parameters, (1, 2, 3), {}),
        (jobs.positional_only_wrapper, (), {"a": 1}),
    ):
        with pytest.raises(TypeError) as pythons:
            task.func(*args, **kwargs)
        with pytest.raises(TypeError) as ours:
            task(*args, **kwargs)
        assert str(ours.value).split(") ")[-1] == str(pythons.value).split(") ")[-1]
    assert thread_world.app.orchestrator.count_invocations() == 0


def test_a_value_that_fits_neither_the_inner_function_nor_plain_json_is_refused(thread_world: World) -> None:
    jobs = thread_world.jobs.decorated
    with pytest.raises(SerializationError, match=r"in_session, at .*would come back as str, not datetime.date"):
        jobs.in_session(table=[DAY])
    with pytest.raises(SerializationError, match=r"would come back as str, not datetime\.date"):
        jobs.in_session(DAY, 1, 2, 3)
    assert thread_world.app.orchestrator.count_invocations() == 0


def test_the_refusal_names_the_parameter_that_only_the_decorator_takes(thread_world: World) -> None:
    jobs = thread_world.jobs.decorated
    for value, path, reason in (
        (b"x", "", "would come back as str, not bytes: the function inside does not take it, so pass plain"),
        ({"a": [DAY]}, ", at debug['a'][0],", r"would come back as str, not datetime\.date"),
        (object(), "", "of type object, cannot be serialised: objects of type builtins.object have no JSON form"),
        ([float("nan")], "", "cannot be serialised: it contains a number that is not finite"),
        ("x" * 10_000_000, "", r"too large: argument 'debug' of task .*in_session, 10000000 bytes"),
    ):
        with pytest.raises(SerializationError, match=reason) as raised:
            jobs.in_session("orders", debug=value)
        text = str(raised.value).removeprefix("too large: ")
        assert text.startswith(f"argument 'debug' of task {jobs.in_session.task_id}{path}")
        assert "'**'" not in text
    assert thread_world.app.orchestrator.count_invocations() == 0


def test_nothing_that_was_left_out_is_stored(thread_world: World) -> None:
    task = thread_world.jobs.decorated.left_out
    invocation = task(1)
    assert thread_world.app._runtime.store.get(str(invocation.invocation_id)).payload == b'\x01{"value":1}'
    assert invocation.arguments.kwargs == {"value": 1, "other": "default", "last": 0.5}
    same = thread_world.app.state_backend.get_invocation(invocation.invocation_id)
    assert same.arguments.kwargs == invocation.arguments.kwargs
    assert same.call_id == invocation.call_id == task(1, "default", last=0.5).call_id


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        ("left_out", b'\x01{"value":1,"other":"x","last":0.5}', [1, "x", 0.5]),
        (
            "seen_through",
            b'\x01{"day":"2024-02-29","rest":[1,2],"unit":"mm","more":{"x":3}}',
            ["date", [1, 2], "mm", {"x": 3}],
        ),
        ("measured", b'\x01{"value":1,"unit":"mm"}', "1 mm"),
        ("seen_through", b'\x01{"day":"2024-02-29","rest":[],"unit":"mm","more":{}}', ["date", [], "mm", {}]),
    ],
)  # fmt: skip
def test_arguments_that_an_older_version_stored_are_called_as_then(
    thread_world: World, name: str, payload: bytes, expected: Any
) -> None:
    task = getattr(thread_world.jobs.decorated, name)
    args, kwargs = task._apply(thread_world.app._runtime.codec.decode_arguments(task, payload))
    assert task.func(*args, **kwargs) == expected


@pytest.mark.filterwarnings("ignore:serializer_cls is:UserWarning")
def test_serializers_of_whole_objects_carry_how_it_was_called(memory_env: None) -> None:
    app = Pynenc("whole-objects", {"serializer_cls": "PickleSerializer"})
    task, codec = app.task(load_jobs().decorated.in_session.func), app._runtime.codec
    payload = codec.encode_arguments(task, task._bind("orders", limit=3))
    assert task._apply(codec.decode_arguments(task, payload)) == (("orders",), {"limit": 3})


def test_the_names_of_a_task_win_and_those_of_the_function_stay_reachable(thread_world: World) -> None:
    task = thread_world.jobs.decorated.attributed
    assert isinstance(task, Task)
    assert task.conf.queue == "default"
    assert task.app is thread_world.app
    assert task.task_id.endswith("decorated.attributed")
    assert task.args(2).kwargs == {"value": 2}
    assert len(task.parallelize([(1,), (2,)])) == 2
    assert task._plan.spec is not None
    assert task.func.conf == "the function's conf"
    assert task.func.func == "the function's func"
    assert task.mine == "the function's mine"
    assert pickle.loads(pickle.dumps(task)).task_id == task.task_id
