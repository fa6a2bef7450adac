"""Tasks under decorators: the outermost callable decides, and receives exactly the caller's arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import date
from typing import Any

from support.jobs.app import app


def first_argument(func: Callable[..., Any]) -> Callable[..., Any]:
    """Reads `args[0]`."""

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        return [args[0], func(*args)]

    return wrapper


def with_defaults(func: Callable[..., Any]) -> Callable[..., Any]:
    """Fills in omitted arguments."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("unit", "from the decorator")
        return func(*args, **kwargs)

    return wrapper


def injecting(func: Callable[..., Any]) -> Callable[..., Any]:
    """Passes a session that the caller knows nothing of."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func("session", *args, **kwargs)

    return wrapper


def injecting_by_name(func: Callable[..., Any]) -> Callable[..., Any]:
    """The same, by keyword."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, session="session", **kwargs)

    return wrapper


def with_own_parameters(func: Callable[..., Any]) -> Callable[..., Any]:
    """Has its own signature."""

    @functools.wraps(func)
    def wrapper(table: str, limit: int = 10) -> Any:
        return func("session", table, limit)

    return wrapper


def transparent(func: Callable[..., Any]) -> Callable[..., Any]:
    """Only observes calls."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **kwargs)

    return wrapper


def with_attributes(func: Callable[..., Any]) -> Callable[..., Any]:
    """Leaves attributes on the function: some that a task has too, and one that it has not."""
    for name in ("conf", "submit", "parallelize", "queue", "args", "func", "task_id", "app", "_plan", "_bind", "mine"):
        setattr(func, name, f"the function's {name}")
    return func


@app.task
@first_argument
def positional_only_wrapper(a: int, b: int = 2) -> int:
    return a + b


@app.task
@with_defaults
def measured(value: int, unit: str = "the default") -> str:
    return f"{value} {unit}"


@app.task
@injecting
def in_session(session, table, limit=10):  # type: ignore[no-untyped-def]
    return [session, table, limit]


@app.task
@injecting_by_name
def on_day(day: date, session: Any) -> list[str]:
    return [type(day).__name__, session]


@app.task
@with_own_parameters
def own_parameters(session: Any, table: str, limit: int) -> list[Any]:
    return [session, table, limit]


@app.task
@transparent
def seen_through(day: date, *rest: int, unit: str = "cm", **more: int) -> list[Any]:
    return [type(day).__name__, list(rest), unit, more]


@app.task
@functools.singledispatch
def shown(value: object, extra: str = "") -> str:
    return f"object {value}{extra}"


@shown.func.register
def _(value: int, extra: str = "") -> str:
    return f"int {value}{extra}"


@app.task
@functools.cache
def cached(value: int) -> int:
    return value * 2


@app.task
@with_attributes
def attributed(value: int = 1) -> int:
    return value


@app.task
def left_out(value: int, other: str = "default", *, last: float = 0.5) -> list[Any]:
    return [value, other, last]
