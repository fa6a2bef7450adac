"""The docstrings of the API reference are complete, match the signatures, and have examples that run."""

from __future__ import annotations

import builtins
import doctest
import importlib
import inspect
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.public_api import PACKAGES, Name, public_names

from pynenc import exceptions
from pynenc.workflow import exceptions as workflow_exceptions

NAMES = public_names()
EXAMPLES = [name for name in NAMES if "Example" in name.sections()]

NOT_YET: tuple[str, ...] = ()
"""Beginnings of public names whose docstrings may still be incomplete. This list may only become shorter."""

PEOPLE_CALL = (
    "pynenc.app.Pynenc",
    "pynenc.app.Pynenc.direct_task",
    "pynenc.app.Pynenc.get_task",
    "pynenc.app.Pynenc.on_worker_start",
    "pynenc.app.Pynenc.purge",
    "pynenc.app.Pynenc.register_exception",
    "pynenc.app.Pynenc.task",
    "pynenc.builder.PynencBuilder",
    "pynenc.conf.base.setting",
    "pynenc.invocation.dist_group.DistributedInvocationGroup",
    "pynenc.invocation.dist_group.DistributedInvocationGroup.async_results",
    "pynenc.invocation.dist_group.DistributedInvocationGroup.get_results",
    "pynenc.invocation.dist_group.DistributedInvocationGroup.results",
    "pynenc.invocation.dist_invocation.DistributedInvocation",
    "pynenc.invocation.dist_invocation.DistributedInvocation.async_result",
    "pynenc.invocation.dist_invocation.DistributedInvocation.cancel",
    "pynenc.invocation.dist_invocation.DistributedInvocation.get_result",
    "pynenc.orchestrator.base_orchestrator.BaseOrchestrator.get_invocations_to_run",
    "pynenc.runner.base_runner.BaseRunner",
    "pynenc.runner.thread_runner.ThreadRunner",
    "pynenc.serializer.base_serializer.BaseSerializer",
    "pynenc.serializer.payload_codec.PayloadCodec",
    "pynenc.state_backend.base_state_backend.BaseStateBackend",
    "pynenc.task.Task",
    "pynenc.task.Task.get_invocation",
    "pynenc.task.Task.invocation",
    "pynenc.task.Task.parallelize",
    "pynenc.task.Task.submit",
    "pynenc.task.Task.submit_many",
    "pynenc.testing.app_test.AppTest.advance",
    "pynenc.testing.app_test.AppTest.assert_submitted",
    "pynenc.testing.app_test.AppTest.drain",
    "pynenc.testing.app_test.isolated",
    "pynenc.testing.runner_conformance.run_check",
)
"""Names that applications use most: each has an example."""

ERRORS = {
    "_not_executable": "RunnerNotExecutableError",
    "missing": "InvocationNotFoundError",
    "no_triggers": "NotOfferedError",
    "no_workflows": "NotOfferedError",
    "not_offered": "NotOfferedError",
}
"""Functions that return the error to raise."""

SETUP = Path(__file__).parents[2] / "docs" / "reference" / "api" / "names_of_examples.py"
"""The names that examples use, as the reference shows them. A runner runs the tasks of `app`; nothing runs `shop`'s."""


def ids(names: list[Name]) -> list[str]:
    return [name.path for name in names]


def problems(wrong: dict[str, Any]) -> str:
    return "\n".join(f"{path}: {what}" for path, what in wrong.items() if not path.startswith(NOT_YET))


def test_every_public_name_has_a_docstring() -> None:
    assert problems({name.path: name.kind for name in NAMES if not name.doc}) == ""


def test_every_exported_name_is_in_the_reference() -> None:
    documented = {name.code for name in NAMES}
    wrong: dict[str, Any] = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            # A version has no docstring.
            if callable(value) and inspect.unwrap(value) not in documented:
                wrong[f"{package}.{name}"] = "is exported and not documented"
    assert problems(wrong) == ""


def test_every_parameter_is_documented_by_its_name() -> None:
    wrong: dict[str, Any] = {}
    for name in NAMES:
        documented, parameters = set(name.items("Args")), set(name.parameters)
        missing = parameters - documented if name.has_own_parameters else set()
        if missing or documented - parameters:
            wrong[name.path] = f"missing: {sorted(missing)}; not in the signature: {sorted(documented - parameters)}"
    assert problems(wrong) == ""


def test_a_function_that_returns_something_says_what() -> None:
    wrong: dict[str, Any] = {}
    for name in NAMES:
        has = {"Returns", "Yields"} & name.sections().keys()
        if name.returns in ("None", "NoReturn"):
            if has and name.returns == "None":
                wrong[name.path] = "returns None and documents a value"
        elif not has and not _returns_its_object(name) and not _always_raises(name):
            wrong[name.path] = f"returns {name.returns}"
    assert problems(wrong) == ""


def _returns_its_object(name: Name) -> bool:
    """Return whether a method returns its object, as the docstring of the class says of every method."""
    cls = name.owner
    return cls is not None and name.returns in (cls.__name__, "Self") and "method returns the" in (cls.__doc__ or "")


def _always_raises(name: Name) -> bool:
    return any(line.endswith(": always.") for line in name.sections().get("Raises", ()))


def test_a_function_that_raises_an_error_of_pynenc_says_so() -> None:
    wrong: dict[str, Any] = {}
    for name in NAMES:
        for raised in sorted(name.raised()):
            error = _error(ERRORS.get(raised, raised))
            if error is not None and issubclass(error, exceptions.PynencError) and not _mentions(name, error):
                wrong[name.path] = f"raises {error.__name__}"
    assert problems(wrong) == ""


def test_every_documented_error_is_an_exception_class() -> None:
    assert problems({name.path: text for name in NAMES for text in name.items("Raises") if _error(text) is None}) == ""


def _error(name: str) -> type[BaseException] | None:
    found = next(
        (vars(module)[name] for module in (builtins, exceptions, workflow_exceptions) if name in vars(module)), None
    )
    return found if isinstance(found, type) and issubclass(found, BaseException) else None


def _mentions(name: Name, error: type[BaseException]) -> bool:
    """Return whether a docstring names the class, or one of its bases."""
    return any(cls.__name__ in name.doc for cls in error.__mro__ if cls not in (object, BaseException))


def test_a_function_with_a_time_limit_says_whether_it_waits() -> None:
    limits = {"timeout", "wait", "patience_sec"}
    wrong = {
        name.path: sorted(limits & set(name.parameters))
        for name in NAMES
        if name.kind == "function" and limits & set(name.parameters) and not _speaks_of_waiting(name.doc)
    }
    assert problems(wrong) == ""


def _speaks_of_waiting(doc: str) -> bool:
    return any(word in doc.lower() for word in ("block", "wait", "without effect"))


def test_a_docstring_begins_with_one_sentence_that_stands_alone() -> None:
    wrong: dict[str, Any] = {}
    for name in NAMES:
        first, *rest = name.doc.splitlines() or [""]
        if name.doc and not first.rstrip().endswith((".", ":", "…")):
            wrong[name.path] = f"the first line does not end a sentence: {first}"
        elif first.startswith(("The same", "As ", "See above", "Those", "It ")):
            wrong[name.path] = f"the first line needs another text: {first}"
        elif rest and rest[0]:
            wrong[name.path] = "the first line is not followed by an empty line"
    assert problems(wrong) == ""


def test_a_frequently_used_name_has_an_example() -> None:
    assert set(PEOPLE_CALL) <= {name.path for name in NAMES}
    assert problems({path: "has no example" for path in PEOPLE_CALL if path not in ids(EXAMPLES)}) == ""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The names that examples may use, in a module called `shop`; the app of `add` has a runner."""
    module = types.ModuleType("shop")
    module.__dict__["tmp_path"] = tmp_path
    before = sys.modules.get("shop")
    sys.modules["shop"] = module
    exec(SETUP.read_text(encoding="utf-8"), module.__dict__)
    try:
        with module.running(module.ThreadRunner(module.app)):
            yield module.__dict__
    finally:
        del sys.modules["shop"]
        if before is not None:
            sys.modules["shop"] = before


@pytest.mark.parametrize("name", EXAMPLES, ids=lambda name: name.path)
def test_the_example_runs(name: Name, shop: dict[str, Any]) -> None:
    module = inspect.getmodule(name.code)
    # In this order: `__name__` is that of the module `shop`, whose functions may become tasks.
    names = {**vars(module), **shop}
    example = "\n".join(name.sections()["Example"])
    test = doctest.DocTestParser().get_doctest(example, names, name.path, None, None)
    said: list[str] = []
    failed, tried = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    assert tried > 0, "an example has lines that begin with >>>"
    assert failed == 0, "".join(said)
