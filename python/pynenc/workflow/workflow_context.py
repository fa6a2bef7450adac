"""`task.wf`: the workflow that a body runs in. There is none in this build, and these say so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from pynenc.workflow.exceptions import NO_WORKFLOWS, DeterministicOperationScopeError, WorkflowMembershipError

if TYPE_CHECKING:
    from pynenc.identifiers import TaskId
    from pynenc.task import Task


@dataclass(frozen=True)
class WorkflowIdentity:
    """Which workflow an invocation belongs to."""

    workflow_id: str
    """Id of its root invocation."""
    workflow_type: TaskId
    parent_workflow_id: str | None = None

    @property
    def is_subworkflow(self) -> bool:
        """Whether it was started in another workflow."""
        return self.parent_workflow_id is not None


class WorkflowContext:
    """What `task.wf` is. Every body is outside of a workflow here, so that is what each operation raises."""

    def __init__(self, task: Task[Any, Any]) -> None:
        self._task = task

    @property
    def identity(self) -> WorkflowIdentity | None:
        """The workflow of the running body: None."""
        return None

    @property
    def root(self) -> DeterministicOperations:
        """Operations for the body of a workflow itself."""
        return DeterministicOperations(self._task)

    def get_data(self, key: str, default: Any = None) -> Any:
        """Raises `WorkflowMembershipError`."""
        raise self._outside(f"wf.get_data({key!r})")

    def set_data(self, key: str, value: Any) -> None:
        """Raises `WorkflowMembershipError`."""
        raise self._outside(f"wf.set_data({key!r})")

    def _outside(self, what: str) -> WorkflowMembershipError:
        return WorkflowMembershipError(f"{what}: task {self._task.task_id} is in no workflow; {NO_WORKFLOWS}")


class DeterministicOperations:
    """What `task.wf.root` is: each raises `DeterministicOperationScopeError`, for no body is the root of a workflow."""

    def __init__(self, task: Task[Any, Any]) -> None:
        self._task = task

    def random(self) -> NoReturn:
        """Raises `DeterministicOperationScopeError`."""
        raise self._elsewhere("random")

    def utc_now(self) -> NoReturn:
        """Raises `DeterministicOperationScopeError`."""
        raise self._elsewhere("utc_now")

    def uuid(self) -> NoReturn:
        """Raises `DeterministicOperationScopeError`."""
        raise self._elsewhere("uuid")

    def execute_task(self, task: Task[Any, Any], *args: Any, **kwargs: Any) -> NoReturn:
        """Raises `DeterministicOperationScopeError`; call the task itself."""
        raise self._elsewhere("execute_task")

    def _elsewhere(self, operation: str) -> DeterministicOperationScopeError:
        return DeterministicOperationScopeError(
            f"wf.root.{operation}: task {self._task.task_id} is not the root of a workflow; {NO_WORKFLOWS}"
        )
