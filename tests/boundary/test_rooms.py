"""The rooms of the Python package: imports go down, and a room keeps its private names to itself.

A room is a package directly below `pynenc`, or a module there. `ROOMS` lists them from the lowest to the highest.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).resolve().parent.parent.parent / "python" / "pynenc"

ROOMS = [
    "types", "util", "exceptions", "identifiers", "_identity", "_engine", "_compat", "conf", "context", "_logs",
    "serializer", "plugin_loader", "_kernel", "_tasks", "arguments", "call", "_wait", "invocation", "_submit", "task",
    "workflow", "_execute", "app_info", "runner", "_views", "broker", "orchestrator", "state_backend", "trigger",
    "client_data_store", "core_tasks", "_app", "app", "builder", "__init__", "testing", "cli", "__main__",
]  # fmt: skip
"""From the lowest to the highest. A module imports from its own room and from lower rooms."""

PUBLIC_TYPES = {
    ("_views", "app"), ("app_info", "app"), ("call", "task"), ("context", "app"), ("context", "invocation"),
    ("context", "runner"), ("invocation", "app"), ("invocation", "task"), ("runner", "app"), ("task", "app"),
    ("task", "workflow"),
}  # fmt: skip
"""Rooms that name a higher room in annotations only, because the type of a public attribute stands there."""

MOST_CORE_IMPORTERS = 8


class Arrow(NamedTuple):
    """One import: a module, and the room that it imports from."""

    module: str
    room: str
    typing: bool
    """Whether it stands under `TYPE_CHECKING`."""


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


@cache
def _sources() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(), str(path)) for path in sorted(PACKAGE.rglob("*.py"))}


def _imported(node: ast.AST, typing: bool) -> Iterator[tuple[str, bool]]:
    """Yield the dotted names below `pynenc` that are imported anywhere in `node`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            names = [alias.name for alias in child.names]
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports in pynenc are absolute"
            names = [f"{child.module}.{alias.name}" for alias in child.names]
        else:
            names = []
        yield from ((name, typing) for name in names if name.split(".")[0] == "pynenc")
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for statement in child.body:
                yield from _imported(ast.Module([statement], []), True)
            for statement in child.orelse:
                yield from _imported(ast.Module([statement], []), typing)
        else:
            yield from _imported(child, typing)


def _room_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and (parts[1] in ROOMS or parts[1] == "_core") else "__init__"


def _arrows() -> set[Arrow]:
    return {
        Arrow(_name(path), _room_of(name), typing)
        for path, tree in _sources().items()
        for name, typing in _imported(tree, False)
    }


def _is_up(arrow: Arrow) -> bool:
    return arrow.room != "_core" and ROOMS.index(arrow.room) > ROOMS.index(arrow.module.partition(".")[0])


def test_every_room_has_its_place_in_the_order() -> None:
    assert {_room(path) for path in _sources()} == set(ROOMS)


def test_no_room_imports_a_higher_room() -> None:
    up = {(arrow.module, arrow.room) for arrow in _arrows() if _is_up(arrow) and not arrow.typing}
    assert up == set(), "an import inside a function is an import too"


def test_a_room_names_the_types_of_higher_rooms_only_for_its_public_attributes() -> None:
    up = {(arrow.module.partition(".")[0], arrow.room) for arrow in _arrows() if _is_up(arrow) and arrow.typing}
    assert up - PUBLIC_TYPES == set()
    assert PUBLIC_TYPES - up == set(), "no longer needed: remove it from PUBLIC_TYPES"
    assert len(PUBLIC_TYPES) < 12


def test_few_modules_import_the_extension() -> None:
    importers = {arrow.module for arrow in _arrows() if arrow.room == "_core" and not arrow.typing}
    assert 0 < len(importers) <= MOST_CORE_IMPORTERS, importers


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _is_own_object(node: ast.expr) -> bool:
    """Whether this is `self`, `cls` or `super()`."""
    if isinstance(node, ast.Call):
        node = node.func
    return isinstance(node, ast.Name) and node.id in ("self", "cls", "super")


def _defined(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module defines: functions, classes, variables, attributes of `self`, and slots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own_object(node.value):
            yield node.attr
        if isinstance(node, ast.ClassDef | ast.Module):
            for statement in node.body:
                if isinstance(statement, ast.Assign | ast.AnnAssign):
                    yield from _assigned(statement)


def _assigned(statement: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    names = [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
    yield from names
    if names == ["__slots__"] and statement.value is not None:
        constants = [node for node in ast.walk(statement.value) if isinstance(node, ast.Constant)]
        yield from (str(constant.value) for constant in constants)


@cache
def _owners() -> dict[str, set[str]]:
    """The rooms that define each private name."""
    owners: dict[str, set[str]] = {}
    for path, tree in _sources().items():
        for name in filter(_is_private, _defined(tree)):
            owners.setdefault(name, set()).add(_room(path))
    return owners


def _foreign_names(path: Path, tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the private names of other rooms that a module reads from an object, or imports from a module."""
    room = _room(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and _is_private(node.attr) and not _is_own_object(node.value):
            owners = _owners().get(node.attr, set())
            if owners and room not in owners:
                yield _name(path), node.attr
        elif isinstance(node, ast.ImportFrom) and _room_of(str(node.module)) not in (room, "__init__", "_core"):
            yield from ((_name(path), alias.name) for alias in node.names if _is_private(alias.name))


def test_no_module_reads_a_private_name_of_another_room() -> None:
    assert {found for path, tree in _sources().items() for found in _foreign_names(path, tree)} == set()
