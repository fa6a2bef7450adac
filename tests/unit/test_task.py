"""Tasks: which functions can be tasks, their options, and the steps of a call before anything runs."""

from __future__ import annotations

import importlib
import logging
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from support.worlds import load_jobs

from pynenc import ConcurrencyControlType, Pynenc
from pynenc.exceptions import (
    ConfigError,
    InvalidTaskOptionsError,
    PayloadTooLargeError,
    RetryError,
    SerializationError,
    TaskError,
)
from pynenc.invocation import DistributedInvocation, DistributedInvocationGroup
from pynenc.task import Task


@pytest.fixture
def jobs(memory_env: None) -> Any:
    return load_jobs()


@pytest.fixture
def app(memory_env: None) -> Pynenc:
    return Pynenc()


def module_level(x: int) -> int:
    return x


class Holder:
    def method(self) -> None: ...


def test_the_bare_decorator_and_the_one_with_options_make_the_same_kind_of_thing(jobs: Any) -> None:
    assert type(jobs.basics.add) is type(jobs.basics.ask_for_retry) is Task
    assert jobs.basics.add.task_id == "support.jobs.basics.add"
    assert (jobs.basics.add.task_id.module, jobs.basics.add.task_id.func_name) == ("support.jobs.basics", "add")
    assert jobs.app.tasks[jobs.basics.add.task_id] is jobs.basics.add
    assert str(jobs.basics.add) == "Task(func=add)"
    assert jobs.basics.add.__name__ == "add"


def test_nested_functions_lambdas_methods_and_classes_cannot_be_tasks(app: Pynenc) -> None:
    def nested() -> None: ...

    for func in (nested, lambda: None, Holder.method, Holder().method, Holder, 5):
        with pytest.raises(ValueError):
            app.task(func)  # type: ignore[call-overload]
        with pytest.raises(ValueError):
            app.task(max_retries=1)(func)  # type: ignore[call-overload]
        with pytest.raises(ValueError):
            app.direct_task(func)  # type: ignore[arg-type]
    assert app.tasks == {}


def test_a_function_of_main_cannot_be_a_task(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_level, "__module__", "__main__")
    with pytest.raises(RuntimeError, match="Cannot create a task from a function in the __main__ module"):
        app.task(module_level)


def test_an_unknown_option_is_named_with_near_matches(app: Pynenc) -> None:
    with pytest.raises(InvalidTaskOptionsError, match=r"max_retrys.*max_retries") as raised:
        app.task(max_retrys=3)(module_level)  # type: ignore[call-overload]
    assert raised.value.task_id.endswith("module_level")
    with pytest.raises(InvalidTaskOptionsError, match="the options are"):
        app.task(module_level, xyzzy=1)  # type: ignore[call-overload]
    assert app.tasks == {}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"max_retries": -1}, "max_retries"),
        ({"priority": 100.5}, "priority"),
        ({"priority": float("nan")}, "priority"),
        ({"queue": "no spaces"}, "queue"),
        ({"queue": ""}, "queue"),
        ({"parallel_batch_size": -1}, "parallel_batch_size"),
        ({"running_concurrency": "sometimes"}, "running_concurrency"),
    ],
)
def test_a_value_that_cannot_work_is_named_with_its_field_and_source(
    app: Pynenc, options: dict[str, Any], field: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        app.task(**options)(module_level)
    assert field in str(raised.value)
    (value,) = options.values()
    assert str(value) in str(raised.value)
    assert app.tasks == {}


def test_the_environment_overrides_the_decorator(app: Pynenc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYNENC__CONFIGTASK__MAX_RETRIES", "7")
    monkeypatch.setenv(f"PYNENC__CONFIGTASK__{__name__.upper()}#MODULE_LEVEL__QUEUE", "mine")
    task = app.task(module_level, max_retries=1, queue="theirs", priority=2.0)
    assert (task.conf.max_retries, task.conf.queue, task.conf.priority) == (7, "mine", 2.0)


def test_options_left_out_or_none_have_their_defaults(app: Pynenc) -> None:
    conf = app.task(module_level, max_retries=None).conf
    assert (conf.max_retries, conf.queue, conf.priority, conf.parallel_batch_size) == (0, "default", 0.0, 100)
    assert conf.registration_concurrency is conf.running_concurrency is ConcurrencyControlType.DISABLED
    assert conf.reroute_on_concurrency_control is conf.on_diff_non_key_args_raise is False
    assert tuple(conf.key_arguments) == ()


def test_options_of_one_task_do_not_leak_into_another(app: Pynenc) -> None:
    app.task(module_level, max_retries=5)
    assert app.task(test_options_of_one_task_do_not_leak_into_another).conf.max_retries == 0


def test_retry_error_is_always_retriable(app: Pynenc) -> None:
    assert app.task(module_level).retriable_exceptions == (RetryError,)
    assert set(app.task(module_level, retry_for=(KeyError,)).retriable_exceptions) == {RetryError, KeyError}


def test_the_deprecated_option_warns_and_the_ones_without_effect_are_accepted(app: Pynenc) -> None:
    with pytest.warns(DeprecationWarning, match="parallel_batch_size"):
        app.task(module_level, auto_parallel_batch_size=4)
    app.task(module_level, call_result_cache=True, disable_cache_args=("x",))


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), ((1, 2, 3), {}), ((1,), {"a": 2}), ((1, 2), {"z": 3})])
def test_wrong_arguments_raise_type_error_as_python_words_it_and_write_nothing(
    jobs: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(TypeError) as expected:
        jobs.basics.add.func(*args, **kwargs)
    for attempt in (jobs.basics.add, jobs.basics.add.args):
        with pytest.raises(TypeError) as raised:
            attempt(*args, **kwargs)
        assert str(raised.value) == str(expected.value)
    assert jobs.app.orchestrator.count_invocations() == 0


def test_an_argument_that_cannot_be_encoded_is_named_and_nothing_is_written(jobs: Any) -> None:
    with pytest.raises(SerializationError, match="second"):
        jobs.faults.take_anything(1, second=object())
    with pytest.raises(SerializationError):
        jobs.faults.take_anything.parallelize([(1,), (2,), (object(),)])
    jobs.app.conf.max_payload_bytes = 2000
    with pytest.raises(PayloadTooLargeError):
        jobs.faults.take_anything("x" * 3000)
    assert jobs.app.orchestrator.count_invocations() == 0


def test_a_call_returns_an_invocation_that_waits_in_the_queue(jobs: Any) -> None:
    invocation = jobs.basics.add(1, b=2)
    assert type(invocation) is DistributedInvocation
    assert invocation.status == "registered"
    assert invocation.arguments.kwargs == {"a": 1, "b": 2}
    assert invocation.parent_invocation is None
    assert jobs.app.orchestrator.count_invocations() == 1


def test_parallelize_takes_tuples_dicts_and_arguments(jobs: Any) -> None:
    add = jobs.basics.add
    group = add.parallelize(iter([(1, 2), {"a": 3, "b": 4}, add.args(5, b=6)]))
    assert isinstance(group, DistributedInvocationGroup)
    assert [tuple(invocation.arguments.kwargs.values()) for invocation in group] == [(1, 2), (3, 4), (5, 6)]
    assert len(group) == len(group.invocations) == 3
    assert group.task is add
    assert jobs.app.orchestrator.count_invocations() == 3


def test_common_arguments_join_dicts_and_give_way_to_them(jobs: Any) -> None:
    group = jobs.basics.add.parallelize([{"a": 1}, {"a": 2, "b": 5}], common_args={"b": 9})
    assert [invocation.arguments.kwargs for invocation in group] == [{"a": 1, "b": 9}, {"a": 2, "b": 5}]
    with pytest.raises(ValueError, match="every item must be a dict"):
        jobs.basics.add.parallelize([(1,)], common_args={"b": 9})


def test_an_item_that_is_no_set_of_arguments_is_explained_and_nothing_is_written(jobs: Any) -> None:
    with pytest.raises(TypeError, match=r"\(value,\)"):
        jobs.basics.add.parallelize([(1, 2), 5])
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'b'"):
        jobs.basics.add.parallelize([(1, 2), (1,)])
    assert jobs.app.orchestrator.count_invocations() == 0


@pytest.mark.parametrize(("batch", "sizes"), [(100, [7]), (3, [3, 3, 1]), (0, [1] * 7)])
def test_calls_are_submitted_in_batches(
    jobs: Any, monkeypatch: pytest.MonkeyPatch, batch: int, sizes: list[int]
) -> None:
    seen: list[int] = []

    class Counting:
        def __init__(self, store: Any) -> None:
            self._store = store

        def submit(self, spec: Any, calls: Any, *rest: Any) -> Any:
            seen.append(len(calls))
            return self._store.submit(spec, calls, *rest)

    jobs.basics.add.conf.parallel_batch_size = batch
    counting = Counting(jobs.app._runtime.store)
    monkeypatch.setattr(type(jobs.app._runtime), "store", property(lambda runtime: counting))
    jobs.basics.add.parallelize([(n, n) for n in range(7)])
    assert seen == sizes


def test_ids_and_keys_are_made_only_where_concurrency_control_needs_them(jobs: Any) -> None:
    controls = jobs.controls

    def keys(task: Any, **kwargs: Any) -> tuple[Any, ...]:
        return tuple(task._plan.encode(kwargs)[1:])

    assert keys(controls.as_often_as_asked, value=1) == ("", None, None)
    name = "support.jobs.controls"
    args_id = controls.once_per_task.args(value=1).args_id
    assert keys(controls.once_per_task, value=1) == (args_id, f"{name}.once_per_task", None)
    assert keys(controls.once_per_arguments, value=1) == (args_id, f"{name}.once_per_arguments:args:{args_id}", None)
    _, registration, running = keys(controls.once_per_key, key="k", value=1)
    assert registration.startswith(f"{name}.once_per_key:keys:")
    assert running is None
    assert (
        keys(controls.once_per_key, key="k", value=2)[1]
        == registration
        != keys(controls.once_per_key, key="other", value=1)[1]
    )
    assert keys(controls.one_at_a_time, name="x")[1:] == (None, f"{name}.one_at_a_time")


def test_a_task_is_found_again_by_its_id(jobs: Any) -> None:
    add = jobs.basics.add
    assert pickle.loads(pickle.dumps(add)) is add
    assert Task.from_json(jobs.app, add.to_json()) is add
    assert Task.from_id(jobs.app, "support.jobs.basics.add") is add


def test_the_invocation_of_a_task_is_only_there_inside_its_body(jobs: Any) -> None:
    with pytest.raises(RuntimeError, match=r"support\.jobs\.basics\.add"):
        _ = jobs.basics.add.invocation


def test_the_logger_works_outside_of_a_body(jobs: Any) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    jobs.app.logger.addHandler(handler)
    jobs.basics.add.logger.warning("from %s", "outside")
    jobs.app.logger.removeHandler(handler)
    assert [record.getMessage() for record in records] == ["from outside"]


def test_looking_up_a_task_imports_no_module_and_names_the_remedy(
    memory_env: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in {
        "shop_app.py": "from pynenc import Pynenc\napp = Pynenc()\n",
        "shop_tasks.py": "from shop_app import app\n@app.task\ndef sell(): ...\n",
    }.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    app = importlib.import_module("shop_app").app
    try:
        for unknown in ("shop_tasks.sell", "shop_tasks.buy", "shop_nothing.sell", "os.system", "", "sell", "../x.y"):
            with pytest.raises(TaskError, match="no task"):
                app.get_task(unknown)
        with pytest.raises(TaskError, match=r"PYNENC__TASK_MODULES.*--import shop_tasks"):
            app.get_task("shop_tasks.sell")
        assert "shop_tasks" not in sys.modules
        importlib.import_module("shop_tasks")
        assert app.get_task("shop_tasks.sell").task_id == "shop_tasks.sell"
    finally:
        for name in ("shop_app", "shop_tasks"):
            sys.modules.pop(name, None)
