"""Who calls: the invocation and the runner that the running code belongs to.

These are context variables: threads and event-loop tasks that copy their context inherit them, others do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from types import TracebackType

    from pynenc.app import Pynenc
    from pynenc.invocation.conc_invocation import ConcurrentInvocation
    from pynenc.invocation.dist_invocation import DistributedInvocation
    from pynenc.runner.base_runner import BaseRunner
    from pynenc.runner.runner_context import RunnerContext

    RunningInvocation: TypeAlias = DistributedInvocation[Any, Any] | ConcurrentInvocation[Any, Any]

current_invocation: ContextVar[RunningInvocation | None] = ContextVar("pynenc_current_invocation", default=None)
"""The invocation whose body runs here, of whichever app."""

current_runner: ContextVar[BaseRunner | None] = ContextVar("pynenc_current_runner", default=None)
"""The runner that runs here."""

current_runner_args: ContextVar[dict[str, Any] | None] = ContextVar("pynenc_current_runner_args", default=None)
"""What the runner passed to `invocation.run`."""


_current_app: ContextVar[Pynenc | None] = ContextVar("pynenc_current_app", default=None)
"""What `set_current_app` was given."""

_trigger_events: ContextVar[dict[str, Any] | None] = ContextVar("pynenc_trigger_events", default=None)
"""The event that started the running code, by the id of its app."""


class _SyncInvocations(Mapping[str, "ConcurrentInvocation[Any, Any]"]):
    """The dev-mode invocation whose body runs here, by the id of its app: pynenc's dict, read from the context."""

    def __getitem__(self, app_id: str) -> ConcurrentInvocation[Any, Any]:
        from pynenc.invocation.conc_invocation import ConcurrentInvocation

        invocation = current_invocation.get()
        if isinstance(invocation, ConcurrentInvocation) and invocation.app.app_id == app_id:
            return invocation
        raise KeyError(app_id)

    def __iter__(self) -> Iterator[str]:
        invocation = current_invocation.get()
        if invocation is not None and invocation.app.app_id in self:
            yield invocation.app.app_id

    def __len__(self) -> int:
        return len(list(self))


sync_inv_context = _SyncInvocations()
"""`sync_inv_context.get(app_id)`: the dev-mode invocation whose body runs in this context."""


def __getattr__(name: str) -> Any:
    """`context.runner_args`: what the runner passed to `invocation.run`, here and now; pynenc has it as a global."""
    if name == "runner_args":
        return current_runner_args.get()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class enter_invocation:
    """Within this block the code belongs to `invocation`, run by `runner` (None in dev mode)."""

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


def body_ended() -> None:
    """The body that runs here has returned or raised; what it has left running waits on its own account from now on."""
    invocation = current_invocation.get()
    if invocation is not None:
        invocation.body_ended = True


def invocation_of(app: Pynenc) -> RunningInvocation | None:
    """The invocation whose body runs here, if it is one of `app`."""
    invocation = current_invocation.get()
    return invocation if invocation is not None and invocation.app is app else None


def get_dist_invocation_context(app_id: str) -> DistributedInvocation[Any, Any] | None:
    """The distributed invocation whose body runs here, if it belongs to the app with this id."""
    from pynenc.invocation.dist_invocation import DistributedInvocation

    invocation: Any = current_invocation.get()
    if DistributedInvocation in type(invocation).__mro__ and invocation.app.app_id == app_id:
        return invocation  # type: ignore[no-any-return]
    return None


def swap_dist_invocation_context(
    app_id: str, invocation: DistributedInvocation[Any, Any] | None
) -> DistributedInvocation[Any, Any] | None:
    """Make `invocation` the running one of this context; the one that was."""
    previous = get_dist_invocation_context(app_id)
    current_invocation.set(invocation)
    return previous


def get_current_app() -> Pynenc | None:
    """The app that the running body belongs to, or that of the runner that runs here, or the one that was set."""
    invocation = current_invocation.get()
    if invocation is not None:
        return invocation.app
    runner = current_runner.get()
    return _current_app.get() if runner is None else runner.app


def set_current_app(app: Pynenc | None) -> None:
    """Make `app` what `get_current_app` returns in this context outside of bodies and runners."""
    _current_app.set(app)


def set_current_runner(app_id: str, runner: BaseRunner) -> None:
    """Make `runner` the one that runs in this context. Runners do that by themselves.

    Raises:
        ValueError: it is a runner of an app with another id.
    """
    if runner.app.app_id != app_id:
        raise ValueError(f"set_current_runner: the runner is of app {runner.app.app_id!r}, not of {app_id!r}")
    current_runner.set(runner)


def clear_current_runner(app_id: str) -> None:
    """Have no runner in this context, if it has one of the app with this id."""
    if get_current_runner(app_id) is not None:
        current_runner.set(None)


def get_runner_args() -> dict[str, Any] | None:
    """What the runner passed to `invocation.run`, here and now."""
    return current_runner_args.get()


def set_runner_args(args: dict[str, Any] | None) -> None:
    """Change what `get_runner_args` returns in this context."""
    current_runner_args.set(args)


def get_trigger_event_context(app_id: str) -> Any:
    """What `swap_trigger_event_context` was given for this app; None by default."""
    return (_trigger_events.get() or {}).get(app_id)


def swap_trigger_event_context(app_id: str, event: Any) -> Any:
    """Make `event` the event that started the code of this context; the one before."""
    before = _trigger_events.get() or {}
    _trigger_events.set({**before, app_id: event})
    return before.get(app_id)


def get_current_runner(app_id: str) -> BaseRunner | None:
    """The runner that runs here, if it belongs to the app with this id."""
    runner = current_runner.get()
    return runner if runner is not None and runner.app.app_id == app_id else None


def get_runner_context(app_id: str) -> RunnerContext | None:
    """The identity of the runner that runs here, if it belongs to the app with this id."""
    from pynenc.runner.runner_context import RunnerContext

    runner = get_current_runner(app_id)
    return None if runner is None else RunnerContext(type(runner).__name__, str(runner.runner_id))


def get_or_create_runner_context(app_id: str) -> RunnerContext:
    """The same, or the identity of this process as a client: that of an `ExternalRunner`."""
    from pynenc.runner._session.identity import client_id
    from pynenc.runner.runner_context import RunnerContext

    return get_runner_context(app_id) or RunnerContext("ExternalRunner", str(client_id()))
