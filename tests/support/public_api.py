"""The public names of the package, each with its signature and the sections of its docstring."""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import importlib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

MODULES = (
    "pynenc.app",
    "pynenc.app_info:AppInfo",
    "pynenc.arguments",
    "pynenc.broker.base_broker",
    "pynenc.broker.mem_broker",
    "pynenc.broker.redis_broker",
    "pynenc.broker.sqlite_broker",
    "pynenc.builder",
    "pynenc.call",
    "pynenc.cli.main",
    "pynenc.client_data_store.base_client_data_store",
    "pynenc.client_data_store.mem_client_data_store",
    "pynenc.client_data_store.redis_client_data_store",
    "pynenc.client_data_store.sqlite_client_data_store",
    "pynenc.conf.base:ConfigBase,setting",
    "pynenc.conf.config_broker",
    "pynenc.conf.config_client_data_store",
    "pynenc.conf.config_orchestrator",
    "pynenc.conf.config_pynenc",
    "pynenc.conf.config_redis",
    "pynenc.conf.config_runner",
    "pynenc.conf.config_shared_memory",
    "pynenc.conf.config_sqlite",
    "pynenc.conf.config_state_backend",
    "pynenc.conf.config_task",
    "pynenc.conf.config_trigger",
    "pynenc.context",
    "pynenc.core_tasks",
    "pynenc.exceptions",
    "pynenc.identifiers",
    "pynenc.invocation.base_invocation:BaseInvocation,BaseInvocationGroup",
    "pynenc.invocation.conc_group",
    "pynenc.invocation.conc_invocation",
    "pynenc.invocation.dist_group",
    "pynenc.invocation.dist_invocation",
    "pynenc.invocation.dto",
    "pynenc.invocation.group_results",
    "pynenc.invocation.kinds:ReusedInvocation,WorkflowInvocation",
    "pynenc.invocation.status",
    "pynenc.orchestrator:ActiveRunnerInfo,BaseBlockingControl,BaseCycleControl",
    "pynenc.orchestrator.base_orchestrator",
    "pynenc.orchestrator.mem_orchestrator",
    "pynenc.orchestrator.redis_orchestrator",
    "pynenc.orchestrator.sqlite_orchestrator",
    "pynenc.plugin_loader:load_plugins",
    "pynenc.runner:RunnerContext",
    "pynenc.runner.async_runner",
    "pynenc.runner.base_runner",
    "pynenc.runner.external_runner",
    "pynenc.runner.multi_thread_runner",
    "pynenc.runner.persistent_process_runner",
    "pynenc.runner.process_runner",
    "pynenc.runner.thread_runner",
    "pynenc.serializer.base_serializer",
    "pynenc.serializer.json_pickle_serializer",
    "pynenc.serializer.json_serializer",
    "pynenc.serializer.payload_codec:PayloadCodec,PayloadContext",
    "pynenc.serializer.pickle_serializer",
    "pynenc.state_backend.base_state_backend",
    "pynenc.state_backend.mem_state_backend",
    "pynenc.state_backend.redis_state_backend",
    "pynenc.state_backend.sqlite_state_backend",
    "pynenc.task:Task,TaskOptions",
    "pynenc.testing.app_test",
    "pynenc.testing.benchmark",
    "pynenc.testing.plugin",
    "pynenc.testing.runner_conformance",
    "pynenc.trigger.base_trigger",
    "pynenc.trigger.builder",
    "pynenc.trigger.mem_trigger",
    "pynenc.trigger.records",
    "pynenc.trigger.redis_trigger",
    "pynenc.trigger.sqlite_trigger",
    "pynenc.util.files:read_file",
    "pynenc.util.import_app:find_app",
    "pynenc.util.log:create_logger",
    "pynenc.workflow.exceptions",
    "pynenc.workflow.workflow_context",
    "pynenc.workflow.workflow_task",
)
"""The modules of the API reference; after a colon the public names of a module that also has or imports others."""

PACKAGES = (
    "pynenc",
    "pynenc.broker",
    "pynenc.cli",
    "pynenc.client_data_store",
    "pynenc.invocation",
    "pynenc.orchestrator",
    "pynenc.runner",
    "pynenc.serializer",
    "pynenc.state_backend",
    "pynenc.testing",
    "pynenc.trigger",
    "pynenc.workflow",
)
"""The packages whose `__all__` is public."""

SECTIONS = ("Args", "Returns", "Yields", "Raises", "Example")
_SECTION = re.compile(rf"({'|'.join(SECTIONS)}):")
_ITEM = re.compile(r" {4}(\S[^:]*?): ")


@dataclasses.dataclass(frozen=True)
class Name:
    """One public name: a class, a function, or a member of a class."""

    path: str
    """`pynenc.task.Task.submit`"""
    kind: str
    """`class`, `function`, `property` or `field`."""
    doc: str
    """Its docstring, empty without one; that of the overridden member if it has none of its own."""
    code: Callable[..., Any] | type | None
    """What its source can be read from."""
    owner: type | None = None
    """The class that it is a member of."""

    @property
    def parameters(self) -> list[str]:
        """The names of the parameters that a caller passes; of a class those of its constructor, inherited or not."""
        code = _constructor(self.code) if isinstance(self.code, type) else self.code
        if self.kind not in ("class", "function") or code is None:
            return []
        names = [name for name in inspect.signature(code).parameters if not name.startswith("_")]
        bound = self.owner is not None and not isinstance(_raw(self.owner, self.path), staticmethod)
        return names[1:] if bound or isinstance(self.code, type) else names

    @property
    def has_own_parameters(self) -> bool:
        """False for a class whose constructor is that of a base class."""
        cls = self.code
        return not isinstance(cls, type) or not {"__init__", "__new__"}.isdisjoint(vars(cls))

    @property
    def returns(self) -> str:
        """The annotation of what a function returns."""
        if self.kind != "function" or self.code is None:
            return "None"
        return str(inspect.signature(self.code).return_annotation)

    def sections(self) -> dict[str, list[str]]:
        """The lines of each section, less the indentation of the docstring."""
        found: dict[str, list[str]] = {}
        current: list[str] | None = None
        for line in self.doc.splitlines():
            heading = _SECTION.fullmatch(line)
            if heading is not None:
                current = found.setdefault(heading[1], [])
            elif line and not line.startswith(" "):
                current = None
            elif current is not None:
                current.append(line)
        return found

    def items(self, section: str) -> list[str]:
        """The names that the items of a section begin with, `*` left out."""
        texts = [match[1] for line in self.sections().get(section, ()) if (match := _ITEM.match(f"{line} "))]
        return [name.strip().lstrip("*") for text in texts for name in text.split(",")]

    def raised(self) -> set[str]:
        """The names of the classes and functions in the `raise` statements of its own code."""
        if self.code is None or isinstance(self.code, type):
            return set()
        tree = ast.parse(textwrap.dedent(inspect.getsource(self.code)))
        nested = {id(inner) for node in ast.walk(tree) if node is not tree.body[0] for inner in _inner(node)}
        raises = (node for node in ast.walk(tree) if isinstance(node, ast.Raise) and id(node) not in nested)
        return {_called(node.exc) for node in raises if node.exc is not None}


def public_names() -> list[Name]:
    """Every public class, function, method, property and field of the package, once each."""
    defined = [each for entry in MODULES for each in _defined_in(*entry.partition(":")[::2])]
    classes = {code for _, code in defined if isinstance(code, type)}
    names: list[Name] = []
    for path, code in defined:
        if isinstance(code, type):
            names.extend(_of_class(code, path, classes - {code}))
        else:
            names.append(Name(path, "function", _doc(code), code))
    return names


def _defined_in(module_name: str, chosen: str) -> Iterator[tuple[str, Any]]:
    """The path and the code of each public class and function of a module, without those that it imports."""
    for name, value in vars(importlib.import_module(module_name)).items():
        code = _code_of(value)
        if name not in chosen.split(",") if chosen else getattr(code, "__module__", None) != module_name:
            continue
        if name.startswith("_") or getattr(code, "__name__", None) != name:
            continue
        if isinstance(code, type) or inspect.isfunction(code):
            yield f"{module_name}.{name}", code


def _of_class(cls: type, path: str, others: set[type]) -> Iterator[Name]:
    """A class and its members, with those of bases that are not public themselves."""
    doc = _doc(cls) or _doc(vars(cls).get("__init__"))
    yield Name(path, "class", doc, cls)
    seen: set[str] = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("pynenc"):
            continue
        for name, value in vars(base).items():
            if name in seen or (name.startswith("_") and name != "__call__"):
                continue
            seen.add(name)
            kind = "property" if isinstance(value, (property, functools.cached_property)) else "function"
            code = _code_of(value)
            if inspect.isfunction(code) and not any(issubclass(other, base) for other in others & {*cls.__mro__}):
                yield Name(f"{path}.{name}", kind, _doc(code) or _inherited(cls, name), code, cls)
    yield from _fields(cls, path)


def _fields(cls: type, path: str) -> Iterator[Name]:
    """The fields of classes that are made of them: dataclasses, named tuples, typed dicts."""
    made_of_fields = dataclasses.is_dataclass(cls) or issubclass(cls, (tuple, dict))
    if not made_of_fields or "__annotations__" not in vars(cls):
        return
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_":
            text = following.value if isinstance(following, ast.Expr) else None
            doc = text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else ""
            yield Name(f"{path}.{node.target.id}", "field", doc, None, cls)


def _code_of(value: Any) -> Any:
    """The function behind a method, property, fixture or decorated function; a class as it is."""
    if isinstance(value, (staticmethod, classmethod)):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    elif isinstance(value, functools.cached_property):
        value = value.func
    elif hasattr(value, "_get_wrapped_function"):
        # A fixture of pytest.
        value = value._get_wrapped_function()
    return value if isinstance(value, type) or not callable(value) else inspect.unwrap(value)


def _doc(value: Any) -> str:
    return inspect.cleandoc(getattr(value, "__doc__", None) or "")


def _inherited(cls: type, name: str) -> str:
    return next((doc for base in cls.__mro__[1:] if (doc := _doc(_code_of(vars(base).get(name))))), "")


def _raw(cls: type, path: str) -> Any:
    return inspect.getattr_static(cls, path.rpartition(".")[2], None)


def _constructor(cls: type) -> Callable[..., Any] | None:
    """The constructor that the source of a class or of one of its bases has. Fields say what dataclasses take."""
    if issubclass(cls, enum.Enum) or dataclasses.is_dataclass(cls) or getattr(cls, "_is_protocol", False):
        return None
    for base in cls.__mro__:
        written = [_code_of(vars(base)[name]) for name in ("__init__", "__new__") if name in vars(base)]
        if written and base.__module__.startswith("pynenc") and not hasattr(cls, "_fields"):
            return written[0] if inspect.isfunction(written[0]) else None
    return None


def _inner(node: ast.AST) -> Iterator[ast.AST]:
    return ast.walk(node) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)) else iter(())


def _called(node: ast.expr) -> str:
    while isinstance(node, ast.Call):
        node = node.func
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
