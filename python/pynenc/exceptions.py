"""The exception classes of the package.

The engine raises these classes too. Unless a class says otherwise, it takes one message. Each exception can be made
again from its `args`, so it can be pickled.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from pynenc.util.texts import cut


class PynencError(Exception):
    """Base class of the exceptions that this package raises on purpose.

    Example:
        >>> try:
        ...     app.get_task("shop.nothing")
        ... except PynencError as error:
        ...     print(type(error).__name__)
        TaskError
    """

    def to_json(self) -> str:
        """Return the arguments of the exception as text.

        Returns:
            One JSON object; a value that JSON does not have is written as its `repr`.
        """
        return json.dumps({"args": list(self.args)}, default=repr)

    @staticmethod
    def from_json(error_name: str, serialized: str) -> PynencError:
        """Make an exception again.

        Args:
            error_name: the name of its class, which must be imported.
            serialized: what `to_json` returned.
        Returns:
            A new exception of that class.
        Raises:
            ValueError: no subclass of `PynencError` has this name, or the text is not from `to_json`.
        """
        cls = _find(PynencError, error_name)
        if cls is None:
            raise ValueError(f"no imported subclass of PynencError is called {error_name!r}")
        try:
            args = json.loads(serialized)["args"]
            return cls(*args)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is not the JSON form of a {error_name}: {error}") from error


def _find(base: type[PynencError], name: str) -> type[PynencError] | None:
    waiting = [base]
    while waiting:
        cls = waiting.pop()
        if cls.__name__ == name:
            return cls
        waiting += cls.__subclasses__()
    return None


class _AboutSubject(PynencError):
    """`(subject, message)`: the text is `<subject>: <message>`, or the subject alone."""

    message: str

    def __init__(self, subject: str, message: str | None = None) -> None:
        super().__init__(*((subject,) if message is None else (subject, message)))
        self.message = message or ""

    def __str__(self) -> str:
        subject = str(self.args[0]) if self.args else ""
        # The engine's messages name the invocation already.
        return self.message if subject in self.message else f"{subject}: {self.message}" if self.message else subject


# -- tasks and calls ---------------------------------------------------------------------------------------------------


class RetryError(PynencError):
    """Raised by a body to be run again, as long as `max_retries` of its task allows it."""


class ConcurrencyRetryError(RetryError):
    """A `RetryError` that concurrency control asks for. pynenc's name; this package does not raise it."""


class SerializationError(PynencError):
    """A value has no encoded form, or a payload does not fit its annotation.

    The message names the task and the argument. A message that holds a value is cut.

    Args:
        *args: the message.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(cut(arg) if isinstance(arg, str) else arg for arg in args))


class PayloadTooLargeError(SerializationError):
    """An encoded value is larger than `max_payload_bytes`."""


class PayloadCodecError(SerializationError):
    """The `PayloadCodec` of the app failed, or no such codec has encoded a payload."""


class SignatureError(PynencError):
    """A payload was refused: it is not signed with one of `signing_keys`, or not for this place. It was not decoded.

    The message says which invocation, which payload and why.
    """


class TaskError(_AboutSubject):
    """A task cannot be used as asked.

    Args:
        task_id: the id of the task.
        message: what is wrong.
    """

    def __init__(self, task_id: str, message: str | None = None) -> None:
        super().__init__(task_id, message)
        self.task_id = task_id


class InvalidTaskOptionsError(TaskError):
    """An option of a task is unknown, or its value cannot work."""


class TaskParallelProcessingError(TaskError):
    """The calls of a batch cannot be made. pynenc's name; this package does not raise it."""


class TaskTimeoutError(TaskError, TimeoutError):
    """A body ran longer than `soft_timeout` or `timeout` of its task.

    Inside the body it is raised without arguments, at whatever bytecode the body has reached.

    Args:
        task_id: the id of the task.
        message: which limit was reached.
    """

    def __init__(self, task_id: str = "", message: str | None = "the time limit of this task is reached") -> None:
        super().__init__(task_id, message)


class TaskRoutingError(TaskError):
    """A call was not accepted."""


class DepthExceededError(TaskRoutingError):
    """A body called a task at a depth beyond `max_depth`. Nothing was submitted."""


class InvocationConcurrencyWithDifferentArgumentsError(TaskRoutingError):
    """A call was refused: an invocation with equal keys and other arguments is in the queue.

    Only tasks with `on_diff_non_key_args_raise` refuse such a call.

    Args:
        task_id: the id of the task.
        existing_invocation_id: the invocation in the queue.
        new_call_id: the id of the refused call.
        diff: one line for each argument that differs.
        message: the whole text, or None.
    """

    submitted: Sequence[object] = ()
    """The invocations that `parallelize` had submitted before this call was refused, in order."""

    def __init__(
        self,
        task_id: str,
        existing_invocation_id: str,
        new_call_id: str,
        diff: str = "",
        message: str | None = None,
    ) -> None:
        super().__init__(task_id, message)
        self.args = (task_id, existing_invocation_id, new_call_id, diff, message)
        self.existing_invocation_id = existing_invocation_id
        self.new_call_id = new_call_id
        self.diff = diff

    def __str__(self) -> str:
        text = super().__str__()
        if self.existing_invocation_id not in text:
            text += f": invocation {self.existing_invocation_id} is registered with other arguments"
        return text if self.diff in text else f"{text}\n{self.diff}"


class RemoteError(PynencError):
    """A body raised an exception whose class this process does not know.

    To receive the original class, raise one that the module of the task defines or imports, name it in `retry_for`, or
    register it with `app.register_exception`.

    Args:
        type_name: `module.ClassName` of the exception.
        message: its text.
    """

    def __init__(self, type_name: str, message: str = "") -> None:
        super().__init__(type_name, message)
        self.type_name = type_name
        self.message = message

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}" if self.message else self.type_name


# -- invocations -------------------------------------------------------------------------------------------------------


class InvocationError(_AboutSubject):
    """An invocation is not in a state for what was asked.

    Args:
        invocation_id: the id of the invocation.
        message: what is wrong.
    """

    def __init__(self, invocation_id: str, message: str | None = None) -> None:
        super().__init__(invocation_id, message)
        self.invocation_id = invocation_id


class InvocationConcurrencyControlledError(InvocationError, KeyError):
    """Concurrency control dropped the invocation, so it has no result. Also a `KeyError`, as in pynenc."""


class InvocationCancelledError(InvocationError):
    """The invocation was cancelled, so it has no result."""


class TaskCancelledError(BaseException):
    """Raised in a body on a thread when its invocation is cancelled.

    It is a `BaseException`, so that few bodies catch it by mistake. A body that catches it has `cancel_grace_sec`
    seconds to clean up, and should raise it again; a body that returns has succeeded. A coroutine on an event loop gets
    `asyncio.CancelledError` instead.
    """


class InvocationAbandonedError(InvocationError):
    """The engine gave the invocation up; the message says why."""


class InvocationTimeoutError(PynencError, TimeoutError):
    """An invocation did not finish within the `timeout` of the caller. The invocation goes on.

    The text says what the store knows of the invocation. The store is asked when the text is first read, for half a
    second at most; a caller that only catches the error does not pay for it.
    """

    __slots__ = ("_explain",)

    _explain: Callable[[], str]

    @classmethod
    def explained(cls, message: str, explain: Callable[[], str]) -> InvocationTimeoutError:
        """Return an error whose text is made when it is read.

        Args:
            message: the text without an explanation.
            explain: returns the whole text; called at most once.
        Returns:
            The error.
        """
        error = cls(message)
        error._explain = explain
        return error

    def __str__(self) -> str:
        explain: Callable[[], str] | None = getattr(self, "_explain", None)
        if explain is not None:
            del self._explain
            self.args = (explain(),)
        return super().__str__()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self),)


class StateBackendError(PynencError):
    """The store cannot be used, or an operation on it failed."""

    may_pass: bool = False
    """Whether the same operation may succeed later: the store could not be reached, or was locked."""


class InvocationNotFoundError(StateBackendError, _AboutSubject):
    """The store has no invocation with this id.

    Args:
        invocation_id: the id.
        message: what is wrong.
    """

    def __init__(self, invocation_id: str, message: str | None = None) -> None:
        super().__init__(invocation_id, message)
        self.invocation_id = invocation_id


class InvocationExpiredError(InvocationNotFoundError):
    """The invocation finished, and the store removed it after `result_ttl_sec`."""


class InvocationStatusError(PynencError):
    """A status cannot be set."""


class InvocationStatusTransitionError(InvocationStatusError):
    """The new status cannot follow the present status."""


class InvocationStatusOwnershipError(InvocationStatusError):
    """Another runner owns the invocation, or no runner does."""


class InvocationStatusRaceConditionError(InvocationStatusError):
    """The status changed between a read and a write. Never raised here: the stores check and write in one step."""


class PendingInvocationLockError(StateBackendError):
    """A name of early versions of pynenc; never raised here."""


class CycleDetectedError(PynencError):
    """A wait would never end, because the targets wait for the waiting body.

    Args:
        call_ids: the ids along the cycle.
        message: the whole text; empty lists the ids.
    """

    def __init__(self, call_ids: Sequence[str], message: str = "") -> None:
        super().__init__(list(call_ids), message)
        self.call_ids = list(call_ids)
        self.message = message

    def __str__(self) -> str:
        return self.message or " -> ".join(self.call_ids)


# -- runners and configuration -----------------------------------------------------------------------------------------


class RunnerError(PynencError):
    """A runner cannot do what was asked, or stopped meanwhile."""


class RunnerNotExecutableError(PynencError):
    """This runner stands for a client and runs nothing."""


class AlreadyInitializedError(PynencError):
    """A setting or a part of an app was replaced after its first use."""


class AppDiscoveryError(PynencError):
    """No app was found where the command line looked, or more than one."""


class ConfigError(PynencError):
    """A setting cannot work. The message names the field, the source and the value."""


class ConfigFileError(ConfigError, ValueError):
    """A configuration file cannot be read: missing, malformed, or of an unknown kind."""


class ConfigMultiInheritanceError(ConfigError):
    """A configuration class inherits the same field from two unrelated parents."""


class AtomicServiceConfigError(ConfigError):
    """A name of pynenc 0.4; never raised here."""


class TriggerConfigError(ConfigError):
    """A name of pynenc 0.4; never raised here: triggers are refused with `NotOfferedError`."""


class NotOfferedError(PynencError, NotImplementedError):
    """This build does not have a part of pynenc's interface. The message says what to use instead, if anything."""
