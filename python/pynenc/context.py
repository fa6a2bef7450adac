"""The invocation and the runner that the running code belongs to.

They are context variables: a thread or an event-loop task has those of the code that started it only if it copies the
context.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pynenc._identity.runner_context import RunnerContext
from pynenc._identity.runner_id import client_id

if TYPE_CHECKING:
    from types import TracebackType

    from pynenc.app import Pynenc
    from pynenc.invocation.conc_invocation import ConcurrentInvocation
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner.base_runner import BaseRunner

    RunningInvocation: TypeAlias = DistributedInvocation[Any, Any] | ConcurrentInvocation[Any, Any]

current_invocation: ContextVar[RunningInvocation | None] = ContextVar("pynenc_current_invocation", default=None)
"""The invocation whose body runs in this context, of any app."""

current_runner: ContextVar[BaseRunner | None] = ContextVar("pynenc_current_runner", default=None)
"""The runner that runs in this context."""

current_runner_args: ContextVar[dict[str, Any] | None] = ContextVar("pynenc_current_runner_args", default=None)
"""The arguments that the runner passed to `invocation.run`."""


_current_app: ContextVar[Pynenc | None] = ContextVar("pynenc_current_app", default=None)
"""The app that `set_current_app` was given."""

_trigger_events: ContextVar[dict[str, Any] | None] = ContextVar("pynenc_trigger_events", default=None)
"""The event that started the running code, by the id of its app."""


class _SyncInvocations(Mapping[str, "ConcurrentInvocation[Any, Any]"]):
    """The dev-mode invocation whose body runs in this context, by the id of its app. pynenc has a dict of this name."""

    def __getitem__(self, app_id: str) -> ConcurrentInvocation[Any, Any]:
        invocation = current_invocation.get()
        if invocation is not None and not invocation.in_store and invocation.app.app_id == app_id:
            return cast("ConcurrentInvocation[Any, Any]", invocation)
        raise KeyError(app_id)

    def __iter__(self) -> Iterator[str]:
        invocation = current_invocation.get()
        if invocation is not None and invocation.app.app_id in self:
            yield invocation.app.app_id

    def __len__(self) -> int:
        return sum(1 for _ in self)


sync_inv_context = _SyncInvocations()
"""`sync_inv_context.get(app_id)`: the dev-mode invocation whose body runs in this context."""


def __getattr__(name: str) -> Any:
    """Provide `context.runner_args`, the arguments that the runner passed to `invocation.run`; pynenc has it as a
    global.
    """
    if name == "runner_args":
        return current_runner_args.get()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class enter_invocation:
    """A context manager: inside the block the code belongs to an invocation.

    Args:
        invocation: the invocation.
        runner: the runner that runs it; None in dev mode.
        runner_args: the arguments that the runner passed to `invocation.run`.
    """

    __slots__ = ("_invocation", "_runner", "_runner_args", "_tokens")

    def __init__(
        self, invocation: RunningInvocation, runner: BaseRunner | None, runner_args: dict[str, Any] | None = None
    ) -> None:
        self._invocation = invocation
        self._runner = runner
        self._runner_args = runner_args
        self._tokens: tuple[Token[Any], Token[Any], Token[Any]] | None = None

    def __enter__(self) -> None:
        self._tokens = (
            current_invocation.set(self._invocation),
            current_runner.set(self._runner),
            current_runner_args.set(self._runner_args),
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._tokens is not None:
            invocation, runner, runner_args = self._tokens
            current_runner_args.reset(runner_args)
            current_runner.reset(runner)
            current_invocation.reset(invocation)
            self._tokens = None


def invocation_of(app: Pynenc) -> RunningInvocation | None:
    """Return the invocation whose body runs in this context.

    Args:
        app: the app that the invocation must belong to.
    Returns:
        The invocation; None outside of a body of this app.
    """
    invocation = current_invocation.get()
    return invocation if invocation is not None and invocation.app is app else None


def get_dist_invocation_context(app_id: str) -> DistributedInvocation[Any, Any] | None:
    """Return the distributed invocation whose body runs in this context. Dev-mode invocations do not count.

    Args:
        app_id: the id of the app that the invocation must belong to.
    Returns:
        The invocation; None outside of a body of this app.

    Example:
        >>> get_dist_invocation_context("shop") is None
        True
    """
    invocation = current_invocation.get()
    if invocation is not None and invocation.in_store and invocation.app.app_id == app_id:
        return cast("DistributedInvocation[Any, Any]", invocation)
    return None


def swap_dist_invocation_context(
    app_id: str, invocation: DistributedInvocation[Any, Any] | None
) -> DistributedInvocation[Any, Any] | None:
    """Set the invocation of this context.

    Args:
        app_id: the id of the app that the previous invocation must belong to.
        invocation: the new one, or None.
    Returns:
        The previous invocation of this app, or None.
    """
    previous = get_dist_invocation_context(app_id)
    current_invocation.set(invocation)
    return previous


def get_current_app() -> Pynenc | None:
    """Return the app of this context: of the running body, else of the running runner, else that of `set_current_app`.

    Returns:
        The app, or None.
    """
    invocation = current_invocation.get()
    if invocation is not None:
        return invocation.app
    runner = current_runner.get()
    return _current_app.get() if runner is None else runner.app


def set_current_app(app: Pynenc | None) -> None:
    """Set the app that `get_current_app` returns in this context outside of bodies and runners.

    Args:
        app: the app, or None.
    """
    _current_app.set(app)


def set_current_runner(app_id: str, runner: BaseRunner) -> None:
    """Set the runner of this context. A runner does that by itself.

    Args:
        app_id: the id of its app.
        runner: the runner.
    Raises:
        ValueError: the runner belongs to an app with another id.
    """
    if runner.app.app_id != app_id:
        raise ValueError(f"set_current_runner: the runner is of app {runner.app.app_id!r}, not of {app_id!r}")
    current_runner.set(runner)


def clear_current_runner(app_id: str) -> None:
    """Leave this context without a runner, if it has one of this app.

    Args:
        app_id: the id of the app.
    """
    if get_current_runner(app_id) is not None:
        current_runner.set(None)


def get_runner_args() -> dict[str, Any] | None:
    """Return the arguments that the runner passed to `invocation.run` in this context.

    Returns:
        The arguments, or None.
    """
    return current_runner_args.get()


def set_runner_args(args: dict[str, Any] | None) -> None:
    """Set the arguments that `get_runner_args` returns in this context.

    Args:
        args: the arguments, or None.
    """
    current_runner_args.set(args)


def get_trigger_event_context(app_id: str) -> Any:
    """Return the event that `swap_trigger_event_context` was given in this context.

    Args:
        app_id: the id of the app.
    Returns:
        The event; None by default, since this build has no triggers.
    """
    return (_trigger_events.get() or {}).get(app_id)


def swap_trigger_event_context(app_id: str, event: Any) -> Any:
    """Set the event of this context.

    Args:
        app_id: the id of the app.
        event: the new event, or None.
    Returns:
        The previous event, or None.
    """
    before = _trigger_events.get() or {}
    _trigger_events.set({**before, app_id: event})
    return before.get(app_id)


def get_current_runner(app_id: str) -> BaseRunner | None:
    """Return the runner that runs in this context.

    Args:
        app_id: the id of the app that the runner must belong to.
    Returns:
        The runner; None outside of a runner of this app.
    """
    runner = current_runner.get()
    return runner if runner is not None and runner.app.app_id == app_id else None


def get_runner_context(app_id: str) -> RunnerContext | None:
    """Return the identity of the runner that runs in this context.

    Args:
        app_id: the id of the app that the runner must belong to.
    Returns:
        The identity; None outside of a runner of this app.
    """
    runner = get_current_runner(app_id)
    return None if runner is None else RunnerContext(type(runner).__name__, str(runner.runner_id))


def get_or_create_runner_context(app_id: str) -> RunnerContext:
    """Return the identity of the runner that runs in this context, or of this process as a client.

    Args:
        app_id: the id of the app that the runner must belong to.
    Returns:
        The identity; outside of a runner of this app that of an `ExternalRunner`.
    """
    return get_runner_context(app_id) or RunnerContext("ExternalRunner", str(client_id()))
