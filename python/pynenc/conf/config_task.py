"""Settings of a task: the options of `@app.task(…)`, which files and the environment may override."""

from __future__ import annotations

import enum
import importlib
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from pynenc.conf.base import WITHOUT_EFFECT, ConfigBase, fields_of, setting
from pynenc.conf.sources import Layer
from pynenc.conf.task_sources import task_sources
from pynenc.identifiers import TaskId

QUEUE_NAME = r"[A-Za-z0-9_.-]+"
"""The pattern of queue names."""

MIN_PRIORITY, MAX_PRIORITY = -100, 100
"""The bounds of a priority."""


class ConcurrencyControlType(enum.StrEnum):
    """Which invocations of a task exclude each other."""

    DISABLED = "disabled"
    TASK = "task"
    """All of them."""
    ARGUMENTS = "arguments"
    """Those with equal arguments."""
    KEYS = "keys"
    """Those whose `key_arguments` are equal."""


def _exceptions(value: Any) -> tuple[type[BaseException], ...]:
    """Return exception classes from classes or names as `module.Class`; a name without a module is a builtin."""
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, Iterable):
        raise ValueError("must be exception classes, or their names as module.Class")
    return tuple(_exception(item) for item in items if not (isinstance(item, str) and not item.strip()))


def _exception(item: Any) -> type[BaseException]:
    found = item
    if isinstance(item, str):
        module, _, name = item.strip().rpartition(".")
        try:
            found = getattr(importlib.import_module(module or "builtins"), name)
        except (ImportError, AttributeError) as error:
            raise ValueError(
                f"must name exception classes that can be imported, and {item!r} cannot ({error})"
            ) from None
    if not (isinstance(found, type) and issubclass(found, BaseException)):
        raise ValueError(f"must be exception classes, and {item!r} is none")
    return found


class ConfigTask(ConfigBase):
    """The settings of a task.

    Beside the sources of all settings there are some for a single task: the section `task: {"<module>.<function>": …}`
    of a file, and `PYNENC__CONFIGTASK__<MODULE>#<FUNCTION>__<FIELD>`. These override the decorator. The section
    `task_defaults` of any source, and `PYNENC__TASK_DEFAULTS__<FIELD>`, rank below the decorator.

    Args:
        config_values: settings from code, by name or by section.
        config_filepath: a configuration file: yaml, json or toml.
        task_id: the id of the task; None reads what holds for every task.
        task_options: the options of the decorator.
    Raises:
        ConfigError: a value of the wrong type or out of bounds.
        ConfigFileError: a file cannot be read.
    """

    max_retries: int = setting(
        0, unit="retries", at_least=0, doc="number of further attempts after a retriable exception"
    )
    retry_for: tuple[type[BaseException], ...] = setting(
        (), parse=_exceptions, doc="exceptions that cause a retry, besides RetryError; written as module.Class in files"
    )
    timeout: float = setting(
        0.0, unit="s", at_least=0, doc="how long a body may run before it fails with TaskTimeoutError; 0 means no limit"
    )
    soft_timeout: float = setting(
        0.0,
        unit="s",
        at_least=0,
        doc="how long a body may run before it is interrupted to clean up before timeout; 0 means never",
    )
    running_concurrency: ConcurrencyControlType = setting(
        ConcurrencyControlType.DISABLED, doc="which invocations do not run at the same time"
    )
    registration_concurrency: ConcurrencyControlType = setting(
        ConcurrencyControlType.DISABLED,
        doc="which calls join an equal call that waits in the queue for its first start",
    )
    key_arguments: tuple[str, ...] = setting((), doc="names of the arguments that form the key of the mode keys")
    on_diff_non_key_args_raise: bool = setting(
        False, doc="raise at the call if the queued call with equal keys has other arguments"
    )
    reroute_on_concurrency_control: bool = setting(
        False, doc="defer (true) or drop (false) an invocation that may not run now"
    )
    queue: str = setting("default", pattern=QUEUE_NAME, doc="queue of the task's invocations")
    priority: float = setting(
        0.0, at_least=MIN_PRIORITY, at_most=MAX_PRIORITY, doc="priority of the task's invocations; higher runs first"
    )
    parallel_batch_size: int = setting(
        100, unit="calls", at_least=0, doc="how many calls parallelize submits at once; 0 means one at a time"
    )
    auto_parallel_batch_size: int = setting(0, at_least=0, doc=WITHOUT_EFFECT + ": replaced by parallel_batch_size")
    lossy: bool = setting(
        False, doc="accept arguments and results that JSON changes, such as a tuple without an annotation"
    )
    call_result_cache: bool = setting(False, doc=WITHOUT_EFFECT + ": no result is reused")
    disable_cache_args: tuple[str, ...] = setting(
        (), doc=WITHOUT_EFFECT + ": large values are stored with their invocation"
    )

    _task_id: TaskId | None
    _task_options: dict[str, Any]

    def __init__(
        self,
        config_values: dict[str, Any] | None = None,
        config_filepath: str | None = None,
        task_id: TaskId | None = None,
        task_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.__dict__["_task_id"] = task_id
        self.__dict__["_task_options"] = dict(task_options or {})
        super().__init__(config_values, config_filepath)

    def _layers(self, config_values: dict[str, Any], config_filepath: str | None) -> Iterator[Layer]:
        fields, read = tuple(fields_of(type(self))), partial(super()._layers, config_values, config_filepath)
        sources = task_sources(type(self), fields, config_values, config_filepath, read)
        return sources.layers(self._task_id, self._task_options)
