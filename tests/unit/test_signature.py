"""Binding arguments to the parameters of a function: as Python does, to the word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pynenc.util.signature import CallSignature


def plain(a, b=2, *, c=3):  # type: ignore[no-untyped-def]
    return a, b, c


def everything(first, /, second=2, *rest, keyword, **more):  # type: ignore[no-untyped-def]
    return first, second, rest, keyword, more


def collecting(*list, **dict):  # type: ignore[no-untyped-def]
    return list, dict


def nothing() -> tuple[()]:
    return ()


CALLS: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = [
    (plain, (1,), {}),
    (plain, (1, 5), {"c": 7}),
    (plain, (), {"b": 5, "a": 1}),
    (everything, (1,), {"keyword": 4}),
    (everything, (1, 2, 3, 4), {"keyword": 5, "first": 6, "other": 7}),
    (collecting, (1, 2), {"list": 3, "x": 4}),
    (nothing, (), {}),
]


@pytest.mark.parametrize(("func", "args", "kwargs"), CALLS)
def test_bound_arguments_make_the_same_call_again(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    signature = CallSignature(func)
    spread_args, spread_kwargs = signature.spread(signature.bind(*args, **kwargs))
    assert func(*spread_args, **spread_kwargs) == func(*args, **kwargs)


def test_an_omitted_argument_stays_omitted_until_it_is_filled_in() -> None:
    signature = CallSignature(plain)
    assert signature.bind(1) == {"a": 1}
    assert signature.filled(signature.bind(1)) == {"a": 1, "b": 2, "c": 3}
    bare = CallSignature(everything)
    assert bare.bind(1, keyword=2) == {"first": 1, "keyword": 2}
    full = {"first": 1, "second": 2, "rest": [], "keyword": 2, "more": {}}
    assert bare.filled(bare.bind(1, keyword=2)) == full


def test_collections_have_a_place_of_their_own() -> None:
    bound = CallSignature(everything).bind(1, 2, 3, keyword=4, x=5)
    assert bound == {"first": 1, "second": 2, "rest": [3], "keyword": 4, "more": {"x": 5}}


WRONG: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = [
    (plain, (), {}),
    (plain, (1, 2, 3), {}),
    (plain, (1,), {"a": 2}),
    (plain, (1,), {"z": 2}),
    (everything, (), {"keyword": 1}),
    (everything, (1,), {}),
    (nothing, (1,), {}),
]


@pytest.mark.parametrize(("func", "args", "kwargs"), WRONG)
def test_errors_are_worded_as_python_words_them(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    with pytest.raises(TypeError) as expected:
        func(*args, **kwargs)
    with pytest.raises(TypeError) as raised:
        CallSignature(func).bind(*args, **kwargs)
    assert str(raised.value) == str(expected.value)


def test_a_default_is_the_very_object_and_its_repr_is_never_evaluated() -> None:
    class Odd:
        def __repr__(self) -> str:
            return "__import__('os').abort()"

    odd = Odd()

    def func(value=odd):  # type: ignore[no-untyped-def]
        return value

    signature = CallSignature(func)
    assert signature.bind() == {}
    assert signature.filled({})["value"] is odd


def test_names_missing_from_a_stored_call_get_their_defaults() -> None:
    args, kwargs = CallSignature(everything).spread({"first": 1, "keyword": 2})
    assert everything(*args, **kwargs) == (1, 2, (), 2, {})
