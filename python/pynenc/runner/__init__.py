"""Runners: the objects that execute invocations. Subclass `BaseRunner` for a runner of your own."""

from pynenc._identity.runner_context import RunnerContext
from pynenc.runner.async_runner import AsyncRunner
from pynenc.runner.base_runner import BaseRunner, DummyRunner
from pynenc.runner.external_runner import AtomicServiceRun, ExternalRunner
from pynenc.runner.multi_thread_runner import MultiThreadRunner
from pynenc.runner.persistent_process_runner import PersistentProcessRunner
from pynenc.runner.process_runner import ProcessRunner
from pynenc.runner.thread_runner import ThreadRunner

__all__ = [
    "AsyncRunner",
    "AtomicServiceRun",
    "BaseRunner",
    "DummyRunner",
    "ExternalRunner",
    "MultiThreadRunner",
    "PersistentProcessRunner",
    "ProcessRunner",
    "RunnerContext",
    "ThreadRunner",
]
