"""`task.wf`: the workflow of the running body. This build has none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from pynenc._tasks.not_offered import NO_WORKFLOWS
from pynenc.workflow.exceptions import DeterministicOperationScopeError, WorkflowMembershipError

if TYPE_CHECKING:
    from pynenc._kernel.shapes import TaskShape
    from pynenc.identifiers import WorkflowIdentity


class WorkflowContext:
    """`task.wf`. Every body is outside of a workflow here, so each operation raises.

    Args:
        task: the task.
    """

    def __init__(self, task: TaskShape) -> None:
        self._task = task

    @property
    def identity(self) -> WorkflowIdentity | None:
        """The workflow of the running body: always None."""
        return None

    @property
    def root(self) -> DeterministicOperations:
        """The operations for the body of a workflow itself."""
        return DeterministicOperations(self._task)

    def get_data(self, key: str, default: Any = None) -> Any:
        """Refuse: the task is in no workflow.

        Args:
            key: the name of the value.
            default: the value if there is none.
        Raises:
            WorkflowMembershipError: always.
        """
        raise self._outside(f"wf.get_data({key!r})")

    def set_data(self, key: str, value: Any) -> None:
        """Refuse: the task is in no workflow.

        Args:
            key: the name of the value.
            value: the value.
        Raises:
            WorkflowMembershipError: always.
        """
        raise self._outside(f"wf.set_data({key!r})")

    def _outside(self, what: str) -> WorkflowMembershipError:
        return WorkflowMembershipError(f"{what}: task {self._task.task_id} is in no workflow; {NO_WORKFLOWS}")


class DeterministicOperations:
    """`task.wf.root`. No body is the root of a workflow here, so each operation raises.

    Args:
        task: the task.
    """

    def __init__(self, task: TaskShape) -> None:
        self._task = task

    def random(self) -> NoReturn:
        """Refuse: raises `DeterministicOperationScopeError`."""
        raise self._elsewhere("random")

    def utc_now(self) -> NoReturn:
        """Refuse: raises `DeterministicOperationScopeError`."""
        raise self._elsewhere("utc_now")

    def uuid(self) -> NoReturn:
        """Refuse: raises `DeterministicOperationScopeError`."""
        raise self._elsewhere("uuid")

    def execute_task(self, task: TaskShape, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: this build has no workflows. Call the task itself.

        Args:
            task: the task to call.
            *args: its positional arguments.
            **kwargs: its keyword arguments.
        Raises:
            DeterministicOperationScopeError: always.
        """
        raise self._elsewhere("execute_task")

    def _elsewhere(self, operation: str) -> DeterministicOperationScopeError:
        return DeterministicOperationScopeError(
            f"wf.root.{operation}: task {self._task.task_id} is not the root of a workflow; {NO_WORKFLOWS}"
        )
