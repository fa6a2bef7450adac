"""Arguments and the ids computed from them."""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import pytest
from support.worlds import load_jobs

from pynenc import Pynenc
from pynenc.arguments import Arguments, hash_texts
from pynenc.call import Call
from pynenc.testing import isolated


def test_the_id_of_no_arguments_is_a_word() -> None:
    assert hash_texts({}) == "no_args"
    assert Arguments().args_id == "no_args"


def test_the_id_is_a_hash_of_names_and_texts_sorted_by_name() -> None:
    expected = hashlib.sha256('"a"="1";"ü"="\\"x\\"";'.encode()).hexdigest()
    assert hash_texts({"ü": '"x"', "a": "1"}) == expected


def test_texts_that_run_together_have_different_ids() -> None:
    assert hash_texts({"a": '1";"b"="2'}) != hash_texts({"a": "1", "b": "2"})


def test_arguments_are_equal_and_hash_alike_when_they_are_written_the_same(memory_env: None) -> None:
    basics = load_jobs().basics
    one, same, other = basics.add.args(1, b=2), basics.add.args(b=2, a=1), basics.add.args(2, 1)
    assert one == same
    assert len({one, same, other}) == 2
    assert one != other
    assert one != "something else"


def test_from_call_binds_by_name_with_defaults() -> None:
    def func(a: int, b: int = 2) -> None: ...

    assert Arguments.from_call(func, 1).kwargs == {"a": 1, "b": 2}
    with pytest.raises(TypeError):
        Arguments.from_call(func)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "args(a=1234567890, b=2)"),
        ({"truncate_arguments_length": 4}, "args(a=1234..., b=2)"),
        ({"argument_print_mode": "FULL", "truncate_arguments_length": 4}, "args(a=1234567890, b=2)"),
        ({"argument_print_mode": "KEYS"}, "args(a, b)"),
        ({"argument_print_mode": "HIDDEN"}, "<arguments hidden>"),
        ({"print_arguments": False}, "<arguments hidden>"),
    ],
)
def test_the_text_shows_what_the_settings_allow(memory_env: None, settings: dict[str, Any], text: str) -> None:
    jobs = load_jobs()
    for name, value in settings.items():
        setattr(jobs.app.conf, name, value)
    assert str(jobs.basics.add.args(1234567890, 2)) == text


def test_the_text_survives_a_value_without_one() -> None:
    class Silent:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    assert "Silent" in str(Arguments({"value": Silent()}))


app = Pynenc("changed-arguments")


def passing(func: Any) -> Any:
    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return call


@app.task
def plain(x: int, y: int = 2, *rest: int, z: int = 3, **more: int) -> list[Any]:
    return [x, y, list(rest), z, more]


@app.task
@passing
def decorated(x: int, y: int = 2) -> list[int]:
    return [x, y]


@pytest.mark.parametrize("dev_mode", [False, True])
def test_a_call_runs_with_the_changed_kwargs_of_its_arguments(dev_mode: bool) -> None:
    with isolated(app, dev_mode_force_sync_tasks=dev_mode) as test:
        changed = [plain.args(1), plain.args(1), plain.args(1, 5), plain.args(1), plain.args(1)]
        changed[0].kwargs["x"] = 99
        changed[1].kwargs["z"] = 98
        del changed[2].kwargs["y"]
        changed[3].kwargs["rest"].append(7)
        changed[4].kwargs["more"]["w"] = 8
        of_decorated = [decorated.args(1), decorated.args(1)]
        of_decorated[0].kwargs["x"] = 99
        of_decorated[1].kwargs["y"] = 98
        calls = [plain.parallelize(changed), decorated.parallelize([*of_decorated, decorated.args(1)])]
        calls.append(decorated.parallelize([Call(decorated, of_decorated[0]).arguments]))
        if not dev_mode:
            routed = app.orchestrator.route_call(Call(plain, changed[0]))
            test.drain()
            assert routed.result == [99, 2, [], 3, {}]
        assert [list(group.results) for group in calls] == [
            [[99, 2, [], 3, {}], [1, 2, [], 98, {}], [1, 2, [], 3, {}], [1, 2, [7], 3, {}], [1, 2, [], 3, {"w": 8}]],
            [[99, 2], [1, 98], [1, 2]],
            [[99, 2]],
        ]


def test_unchanged_arguments_leave_the_defaults_to_the_body(memory_env: None) -> None:
    shapes = load_jobs().basics.shapes
    assert shapes.args(1, keyword=2).passed == {"first": 1, "keyword": 2}
