"""Runners: what executes invocations. `BaseRunner` is the interface for one of your own."""

from pynenc.runner.base_runner import BaseRunner, DummyRunner
from pynenc.runner.runner_context import RunnerContext
from pynenc.runner.thread_runner import ThreadRunner

__all__ = ["BaseRunner", "DummyRunner", "RunnerContext", "ThreadRunner"]
