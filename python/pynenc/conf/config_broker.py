"""Settings of `app.broker`: the allowed queues, and the priorities that an operator sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from pynenc.conf.base import WITHOUT_EFFECT, ConfigBase, setting
from pynenc.conf.config_sqlite import ConfigSQLite
from pynenc.conf.config_task import MAX_PRIORITY, MIN_PRIORITY, QUEUE_NAME


def _rules(value: Any) -> tuple[str, ...]:
    """Return rules in their normal form, `pattern=priority`."""
    if isinstance(value, str):
        items: Iterable[Any] = [part for part in value.split(",") if part.strip()]
    elif isinstance(value, Mapping):
        items = [value] if set(value) == {"task_id", "priority"} else value.items()
    elif isinstance(value, Iterable):
        items = value
    else:
        raise ValueError(
            "must be rules like 'shop.tasks.*=10' or {'task_id': 'shop.tasks.*', 'priority': 10}, or a mapping of "
            "patterns to priorities"
        )
    return tuple(_rule(item) for item in items)


def _rule(item: Any) -> str:
    if isinstance(item, str):
        pattern, separator, number = (part.strip() for part in item.rpartition("="))
    elif isinstance(item, Mapping) and set(item) == {"task_id", "priority"}:
        pattern, separator, number = str(item["task_id"]).strip(), "=", str(item["priority"])
    elif isinstance(item, (tuple, list)) and len(item) == 2:
        pattern, separator, number = str(item[0]).strip(), "=", str(item[1])
    else:
        pattern = separator = number = ""
    try:
        priority = float(number)
    except ValueError:
        priority = float("nan")
    # False for nan, too.
    if not (pattern and separator and MIN_PRIORITY <= priority <= MAX_PRIORITY):
        raise ValueError(
            f"must be rules like 'shop.tasks.*=10' with priorities from {MIN_PRIORITY} to {MAX_PRIORITY}, "
            f"and {item!r} is none"
        )
    return f"{pattern}={priority:g}"


def _queue_names(value: Any) -> tuple[str, ...]:
    """Return the names of the queues, including the default queue."""
    if isinstance(value, str):
        names: Iterable[Any] = [name.strip() for name in value.split(",") if name.strip()]
    elif isinstance(value, (tuple, list, set, frozenset)):
        names = value
    else:
        raise ValueError("must be names of queues")
    if not all(isinstance(name, str) for name in names):
        raise ValueError("must be names of queues")
    found = tuple(dict.fromkeys(names))
    return found if DEFAULT_QUEUE in found else (DEFAULT_QUEUE, *found)


DEFAULT_QUEUE = "default"
"""The queue of tasks without a queue option."""

DEFAULT_PRIORITY = 0.0
"""The priority of tasks without a priority option."""


class BrokerPriorityRule(NamedTuple):
    """A rule of `priority_rules`: the tasks whose id matches a pattern get a priority."""

    task_id: str
    """The pattern, as `fnmatch` reads it."""
    priority: float
    """The priority, from -100 to 100."""


def validate_queue_name(queue_name: Any) -> str:
    """Check the name of a queue.

    Args:
        queue_name: the name.
    Returns:
        The name.
    Raises:
        ValueError: no queue can have this name.
    """
    if not isinstance(queue_name, str) or not re.fullmatch(QUEUE_NAME, queue_name):
        raise ValueError(f"queue_name must match {QUEUE_NAME}, got {queue_name!r}")
    return queue_name


def validate_priority(priority: Any) -> float:
    """Check a priority.

    Args:
        priority: a number from -100 to 100.
    Returns:
        The priority as a float.
    Raises:
        ValueError: no task can have this priority.
    """
    number = isinstance(priority, (int, float)) and not isinstance(priority, bool)
    # False for nan, too.
    if not number or not MIN_PRIORITY <= priority <= MAX_PRIORITY:
        raise ValueError(f"priority must be a number from {MIN_PRIORITY} to {MAX_PRIORITY}, got {priority!r}")
    return float(priority)


class ConfigBroker(ConfigBase):
    """The queues and priorities of an app."""

    queues: tuple[str, ...] = setting(
        ("default",),
        pattern=QUEUE_NAME,
        parse=_queue_names,
        doc="the queues that tasks may use, besides default; empty allows every queue",
    )
    warn_on_queue_mismatch: bool = setting(True, doc="log a warning for a task whose queue is not in queues")
    raise_on_queue_mismatch: bool = setting(
        False, doc="refuse calls of a task whose queue is not in queues, with a ConfigError"
    )
    priority_rules: tuple[str, ...] = setting(
        (),
        parse=_rules,
        doc="pattern=priority with an fnmatch pattern for task ids; the highest match replaces the task's priority",
    )
    queue_timeout_sec: float = setting(0.1, unit="s", at_least=0, doc=WITHOUT_EFFECT + ": nothing polls a queue")

    def get_priority_for_task(self, task_id: str, task_priority: float = DEFAULT_PRIORITY) -> float:
        """Return the priority of a task.

        Args:
            task_id: the id of the task.
            task_priority: its own priority.
        Returns:
            The highest priority of the rules that match the task; `task_priority` if none does.
        """
        return self.priority_of(str(task_id), task_priority)

    def priority_of(self, task_id: str, own: float) -> float:
        """Return the priority of a task.

        Args:
            task_id: the id of the task.
            own: its own priority.
        Returns:
            The highest priority of the rules that match the task; `own` if none does.
        """
        found = [rule.rpartition("=") for rule in self.priority_rules]
        return max((float(number) for pattern, _, number in found if fnmatchcase(task_id, pattern)), default=own)

    def lacks_queue(self, queue: str) -> bool:
        """Return whether `queues` was set without this queue.

        Args:
            queue: the name of the queue.
        Returns:
            True if tasks of this queue are a mismatch.
        """
        return self.source_of("queues") != "default" and queue not in self.queues


class ConfigBrokerSQLite(ConfigBroker, ConfigSQLite):
    """The settings of the broker and the place of the SQLite file. An app has one store: see `ConfigSQLite`."""
