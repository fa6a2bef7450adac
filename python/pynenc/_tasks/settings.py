"""The settings of a task, and what follows from them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pynenc._kernel.shapes import BodyTraits
from pynenc.conf.body_limits import limits_of
from pynenc.conf.config_task import ConcurrencyControlType, ConfigTask
from pynenc.exceptions import ConfigError, RetryError
from pynenc.util.near_names import did_you_mean

if TYPE_CHECKING:
    import logging

    from pynenc._kernel.runtime import AppRuntime
    from pynenc.identifiers import TaskId
    from pynenc.util.signature import CallSignature


class TaskSettings:
    """What the options of a task and the configuration decide. Each member is made at first use."""

    func: Callable[..., Any]
    task_id: TaskId
    options: dict[str, Any]
    _runtime: AppRuntime
    _signature: CallSignature

    @functools.cached_property
    def conf(self) -> ConfigTask:
        """The options in force: the decorator's, overridden by files and the environment."""
        return self._make_conf()

    @functools.cached_property
    def retriable_exceptions(self) -> tuple[type[BaseException], ...]:
        """The exceptions of `retry_for`, and `RetryError`."""
        return tuple(dict.fromkeys((RetryError, *self.conf.retry_for)))

    @functools.cached_property
    def _traits(self) -> BodyTraits:
        limits = limits_of(self.conf.soft_timeout, self.conf.timeout)
        return BodyTraits(self._signature.spread, limits, self._is_coroutine)

    @functools.cached_property
    def _decodes_quickly(self) -> bool:
        """Whether small arguments are decoded without code of the user's, so that it needs no supervision."""
        return not self._runtime.codec.runs_user_code(self)

    @functools.cached_property
    def _is_coroutine(self) -> bool:
        return inspect.iscoroutinefunction(self.func)

    @functools.cached_property
    def logger(self) -> logging.Logger | logging.LoggerAdapter[logging.Logger]:
        """The app's logger. Records that a body makes name its task and invocation."""
        return self._runtime.logger

    def _make_conf(self) -> ConfigTask:
        conf = ConfigTask(
            self._runtime.config_values, self._runtime.config_filepath, task_id=self.task_id, task_options=self.options
        )
        for name in conf.key_arguments:
            if name not in self._signature.names:
                raise ConfigError(
                    f"ConfigTask.key_arguments must name arguments of {self.task_id}, which has no {name!r} "
                    f"(from {conf.source_of('key_arguments')}); it has {', '.join(self._signature.names) or 'none'}"
                )
        for name in ("registration_concurrency", "running_concurrency"):
            if getattr(conf, name) is ConcurrencyControlType.KEYS and not conf.key_arguments:
                raise ConfigError(
                    f"ConfigTask.key_arguments must name an argument of {self.task_id}, because its {name} is "
                    f"'keys' (from {conf.source_of(name)}); for one at a time whatever the arguments use 'task'"
                )
        if 0 < conf.timeout <= conf.soft_timeout:
            raise ConfigError(
                f"ConfigTask.soft_timeout of {self.task_id} must be below its timeout of {conf.timeout:g} s, got "
                f"{conf.soft_timeout:g} (from {conf.source_of('soft_timeout')})"
            )
        return conf

    @functools.cached_property
    def broker_queue(self) -> str:
        """The queue of its invocations.

        Raises:
            ConfigError: it is not among the `queues` of ConfigBroker, and `raise_on_queue_mismatch` is set.
        """
        queue, broker = self.conf.queue, self._runtime.queues
        if broker.lacks_queue(queue):
            problem = (
                f"task {self.task_id} names the queue {queue!r}, which is not among ConfigBroker.queues: "
                f"{', '.join(broker.queues) or 'none'} (from {broker.source_of('queues')})"
                f"{_likely(queue, broker.queues)}"
            )
            if broker.raise_on_queue_mismatch:
                raise ConfigError(problem)
            if broker.warn_on_queue_mismatch:
                self._runtime.logger.warning(
                    "%s; a runner takes from it only if its own queues are not limited", problem
                )
        return queue

    @functools.cached_property
    def broker_priority(self) -> float:
        """The priority in force: that of the highest matching rule in `priority_rules`, else its own."""
        return self._runtime.queues.priority_of(str(self.task_id), self.conf.priority)

    @property
    def is_workflow_root_task(self) -> bool:
        """Whether a call starts a workflow: always False in this build."""
        return False


def _likely(queue: str, queues: tuple[str, ...]) -> str:
    hint = did_you_mean(queue, queues)
    return f": {hint}" if hint else ""
