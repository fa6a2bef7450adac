"""Every exception class of the package. Rust raises these too, naming them by this module.

Unless a class says otherwise, it takes one message. Each can be made again from its `args`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from pynenc.util.texts import cut


class PynencError(Exception):
    """Base of everything this package raises on purpose."""

    def to_json(self) -> str:
        """The arguments as JSON text; what JSON cannot hold is written as its `repr`."""
        return json.dumps({"args": list(self.args)}, default=repr)

    @staticmethod
    def from_json(error_name: str, serialized: str) -> PynencError:
        """The exception of the class called `error_name` that `to_json` has written.

        Raises:
            ValueError: no class of this name derives from `PynencError`, or the text is not from `to_json`.
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
    """The same, because concurrency control asks for it."""


class SerializationError(PynencError):
    """A value cannot travel, or what arrived does not fit. The message names the task and the argument.

    A message that holds a value, as those of decoders do, is cut.
    """

    def __init__(self, *args: object) -> None:
        super().__init__(*(cut(arg) if isinstance(arg, str) else arg for arg in args))


class PayloadTooLargeError(SerializationError):
    """An encoded value is larger than `max_payload_bytes`."""


class PayloadCodecError(SerializationError):
    """The `PayloadCodec` of the app failed, or a payload is none that it has encoded."""


class SignatureError(PynencError):
    """A payload was refused because it is not signed with one of `signing_keys`, or not for this place.

    It was not decoded. The message says which invocation, which payload and why.
    """


class TaskError(_AboutSubject):
    """Something is wrong with a task: `(task_id, message)`."""

    def __init__(self, task_id: str, message: str | None = None) -> None:
        super().__init__(task_id, message)
        self.task_id = task_id


class InvalidTaskOptionsError(TaskError):
    """An option of a task is unknown or has a value that cannot work."""


class TaskParallelProcessingError(TaskError):
    """The calls of a batch cannot be made."""


class TaskTimeoutError(TaskError, TimeoutError):
    """A body ran longer than `soft_timeout` or `timeout` of its task allow: `(task_id, message)`.

    Inside the body it is raised bare, wherever it happens to be.
    """

    def __init__(self, task_id: str = "", message: str | None = "the time limit of this task is reached") -> None:
        super().__init__(task_id, message)


class TaskRoutingError(TaskError):
    """A call was not accepted."""


class DepthExceededError(TaskRoutingError):
    """A body called a task at a depth beyond `max_depth`. Nothing was submitted."""


class InvocationConcurrencyWithDifferentArgumentsError(TaskRoutingError):
    """An invocation with the same key but other arguments is registered, and its task asks to refuse then."""

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
    """A body raised an exception whose class is not known here: `(type_name, message)`.

    `type_name` is `module.ClassName`. To get the original class, raise one that the module of the task defines or
    imports, name it in `retry_for`, or register it with the app.
    """

    def __init__(self, type_name: str, message: str = "") -> None:
        super().__init__(type_name, message)
        self.type_name = type_name
        self.message = message

    def __str__(self) -> str:
        return f"{self.type_name}: {self.message}" if self.message else self.type_name


# -- invocations -------------------------------------------------------------------------------------------------------


class InvocationError(_AboutSubject):
    """Something is wrong with an invocation: `(invocation_id, message)`."""

    def __init__(self, invocation_id: str, message: str | None = None) -> None:
        super().__init__(invocation_id, message)
        self.invocation_id = invocation_id


class InvocationConcurrencyControlledError(InvocationError, KeyError):
    """It was dropped by concurrency control and has no result. Also a `KeyError`, which is what pynenc raises."""


class InvocationCancelledError(InvocationError):
    """It was cancelled and has no result."""


class TaskCancelledError(BaseException):
    """Raised in a body on a thread whose invocation is cancelled. Not an `Exception`, so that few catch it by accident.

    A body that catches it may clean up, for `cancel_grace_sec`, and should raise it again; one that returns has
    succeeded. A coroutine on an event loop gets `asyncio.CancelledError` instead.
    """


class InvocationAbandonedError(InvocationError):
    """The engine gave it up; the message says why."""


class InvocationTimeoutError(PynencError, TimeoutError):
    """It did not finish within the `timeout` of the caller. It goes on."""


class StateBackendError(PynencError):
    """The store cannot be used, or an operation on it failed.

    `may_pass` is True if the same operation may succeed later: the store could not be reached, or was locked.
    """

    may_pass: bool = False


class InvocationNotFoundError(StateBackendError, _AboutSubject):
    """The store has no such invocation: `(invocation_id, message)`."""

    def __init__(self, invocation_id: str, message: str | None = None) -> None:
        super().__init__(invocation_id, message)
        self.invocation_id = invocation_id


class InvocationExpiredError(InvocationNotFoundError):
    """It finished, and its result has been removed after `result_ttl_sec`."""


class InvocationStatusError(PynencError):
    """A status cannot be set."""


class InvocationStatusTransitionError(InvocationStatusError):
    """The new status cannot follow the present one."""


class InvocationStatusOwnershipError(InvocationStatusError):
    """The invocation belongs to another runner, or to none."""


class InvocationStatusRaceConditionError(InvocationStatusError):
    """The status changed meanwhile. The stores here never raise it: they check and write in one step."""


class PendingInvocationLockError(StateBackendError):
    """Name kept for code written for early versions of pynenc; never raised."""


class CycleDetectedError(PynencError):
    """A wait would never end, because its targets wait for the waiting one: `(call_ids, message)`."""

    def __init__(self, call_ids: Sequence[str], message: str = "") -> None:
        super().__init__(list(call_ids), message)
        self.call_ids = list(call_ids)
        self.message = message

    def __str__(self) -> str:
        return self.message or " -> ".join(self.call_ids)


# -- runners and configuration -----------------------------------------------------------------------------------------


class RunnerError(PynencError):
    """A runner cannot do what it was asked, or stopped meanwhile."""


class RunnerNotExecutableError(PynencError):
    """This runner only stands for the client side: it runs nothing."""


class AlreadyInitializedError(PynencError):
    """A part of an app was replaced after its first use."""


class AppDiscoveryError(PynencError):
    """No app, or more than one, was found where it was looked for."""


class ConfigError(PynencError):
    """A setting cannot work. The message names the field, the source and the value."""


class ConfigFileError(ConfigError, ValueError):
    """A configuration file cannot be read: missing, malformed, or of an unknown kind."""


class ConfigMultiInheritanceError(ConfigError):
    """A configuration class inherits the same field from two unrelated parents."""


class AtomicServiceConfigError(ConfigError):
    """Name kept for code written for pynenc; never raised."""


class TriggerConfigError(ConfigError):
    """Triggers are configured in a way that cannot work."""


class NotOfferedError(PynencError, NotImplementedError):
    """A part of pynenc's interface that this build does not have. The message says what to use instead, if anything."""
