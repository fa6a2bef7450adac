"""Find the modules that define tasks of an app by reading source text. Nothing is imported here."""

from __future__ import annotations

import ast
import functools
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pynenc._tasks.shadows import is_standard

if TYPE_CHECKING:
    from pynenc._kernel.runtime import AppRuntime

MAX_FILES = 5000
"""How many files are read at most; a larger tree is no package of tasks."""

_DECORATORS = frozenset({"task", "direct_task", "workflow"})
_MAX_STEPS = 20
"""How many imports and assignments a name is followed through."""


@dataclass(frozen=True)
class Found:
    """The result of reading the sources beside an app."""

    modules: list[str]
    """Names of modules that use a task decorator of the app, sorted, without imported modules."""
    problems: list[str]
    """Unreadable files, in words."""


def find_task_modules(runtime: AppRuntime, app_modules: Iterable[str]) -> Found:
    """Read the sources beside the modules `app_modules`, which contain the app, for uses of its task decorators.

    For a module in a package this is the whole top-level package; for any other module it is its folder, with the
    packages in it. `__main__` modules and the folders of installed packages and of the standard library are skipped.
    """
    sources = _Sources(runtime)
    problems: list[str] = []
    seen: set[object] = set()
    for app_module in app_modules:
        for name, file in _beside(app_module, seen):
            sources.files.setdefault(name, file)
            if len(sources.files) >= MAX_FILES:
                problems.append(
                    f"more than {MAX_FILES} files lie beside module {app_module}: list the modules of your tasks"
                )
                break
    names = [name for name in sorted(sources.files) if name not in sys.modules and sources.uses_a_decorator(name)]
    return Found(names, problems + sources.problems)


# -- which files -------------------------------------------------------------------------------------------------------


def _beside(app_module: str, seen: set[object]) -> Iterator[tuple[str, Path]]:
    """Yield `(module name, file)` of every module beside this one, unless its package or folder is in `seen`."""
    module = sys.modules.get(app_module)
    top = app_module.partition(".")[0]
    file = getattr(module, "__file__", None)
    package = sys.modules.get(top)
    if app_module == "__main__" or module is None:
        return
    folders = getattr(package, "__path__", None)
    place: object = top if folders is not None else file and Path(file).parent.resolve()
    if not place or place in seen or place in _installed():
        return
    seen.add(place)
    if folders is not None:
        for folder in list(folders):
            yield from _in_package(Path(folder), top, all_folders=True)
    elif file is not None:
        yield from _in_folder(Path(file).parent)


def _in_folder(folder: Path) -> Iterator[tuple[str, Path]]:
    for entry in _entries(folder):
        if entry.suffix == ".py" and entry.stem.isidentifier() and entry.is_file():
            # A name of the standard library would lead to either module; the log names the file.
            if not _is_main(entry) and entry.stem != "__init__" and not is_standard(entry.stem):
                yield entry.stem, entry
        elif entry.name.isidentifier() and (entry / "__init__.py").is_file():
            yield from _in_package(entry, entry.name)


def _in_package(folder: Path, name: str, *, all_folders: bool = False) -> Iterator[tuple[str, Path]]:
    """Yield the modules of a package; with `all_folders` also those of folders without an `__init__.py`, except the
    first.
    """
    for entry in _entries(folder):
        if entry.suffix == ".py" and entry.stem.isidentifier() and entry.is_file():
            if not _is_main(entry):
                yield (name if entry.stem == "__init__" else f"{name}.{entry.stem}"), entry
        elif entry.name.isidentifier() and entry.is_dir() and not entry.is_symlink() and _is_part(entry, all_folders):
            yield from _in_package(entry, f"{name}.{entry.name}", all_folders=all_folders)


def _is_part(folder: Path, all_folders: bool) -> bool:
    if (folder / "__init__.py").is_file():
        return True
    return all_folders and folder.name not in ("__pycache__", "node_modules") and not (folder / "pyvenv.cfg").exists()


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _is_main(file: Path) -> bool:
    """Return whether this is a program and no module: run as one now, or by its name."""
    if file.name == "__main__.py":
        return True
    running = getattr(sys.modules.get("__main__"), "__file__", None)
    try:
        return running is not None and file.samefile(running)
    except OSError:
        return False


@functools.cache
def _installed() -> frozenset[Path]:
    """Return folders whose modules belong to no app: the standard library and installed packages."""
    paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    paths += [*site.getsitepackages(), site.getusersitepackages()]
    return frozenset(Path(path).resolve() for path in paths if path)


# -- what they say -----------------------------------------------------------------------------------------------------


@dataclass
class _Text:
    """The names that a module binds at its top level, and the names that it uses as decorators or calls."""

    names: dict[str, Any] = field(default_factory=dict)
    """A name to `(module, attribute or None)` for an import, or to the expression that it is assigned."""
    stars: list[str] = field(default_factory=list)
    used: list[tuple[str, ...]] = field(default_factory=list)


class _Sources:
    """The sources beside an app, each parsed at most once."""

    def __init__(self, runtime: AppRuntime) -> None:
        self._runtime = runtime
        self._texts: dict[str, _Text | None] = {}
        self.files: dict[str, Path] = {}
        self.problems: list[str] = []

    def uses_a_decorator(self, name: str) -> bool:
        """Whether a module uses a task decorator of the app outside of its functions."""
        text = self._text(name)
        return text is not None and any(self._leads(name, parts, 0) for parts in text.used)

    def _text(self, name: str) -> _Text | None:
        if name not in self._texts:
            self._texts[name] = self._parse(name)
        return self._texts[name]

    def _parse(self, name: str) -> _Text | None:
        file = self.files.get(name)
        if file is None:
            return None
        try:
            source = file.read_bytes()
            package = name if file.name == "__init__.py" else name.rpartition(".")[0]
            return _read(ast.parse(source), package)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self.problems.append(f"{file} cannot be read: {type(error).__name__}: {error}")
            return None

    def _leads(self, module: str, parts: tuple[str, ...], steps: int) -> bool:
        """Whether the dotted name `parts`, as seen in `module`, is a task decorator of the app."""
        if steps > _MAX_STEPS or not parts:
            return False
        loaded = sys.modules.get(module)
        if loaded is not None:
            found = _look_up(loaded, parts, self._runtime.app)
            if found is not None:
                return found
        text = self._text(module)
        if text is None or parts[0] not in text.names:
            below = f"{module}.{parts[0]}"
            if (below in self.files or below in sys.modules) and self._leads(below, parts[1:], steps + 1):
                return True
            return text is not None and any(self._leads(star, parts, steps + 1) for star in text.stars)
        bound, rest = text.names[parts[0]], parts[1:]
        if isinstance(bound, tuple):
            origin, attribute = bound
            if attribute is None:
                return self._leads(origin, rest, steps + 1)
            return self._leads(origin, (attribute, *rest), steps + 1)
        return self._expression_leads(module, bound, rest, steps)

    def _expression_leads(self, module: str, value: ast.expr, rest: tuple[str, ...], steps: int) -> bool:
        dotted = _dotted(value)
        if dotted is not None:
            return self._leads(module, (*dotted, *rest), steps + 1)
        if not isinstance(value, ast.Call):
            return False
        called = _dotted(value.func)
        if called is None:
            return False
        if called[-1] == "partial" and value.args and not rest:
            return self._expression_leads(module, value.args[0], (), steps + 1)
        return called[-1] == "Pynenc" and len(rest) == 1 and rest[0] in _DECORATORS and self._makes_the_app(value)

    def _makes_the_app(self, call: ast.Call) -> bool:
        """Whether `Pynenc(…)` in a source is the call that returns this app."""
        given = next((keyword.value for keyword in call.keywords if keyword.arg == "app_id"), None)
        if given is None and call.args:
            given = call.args[0]
        if isinstance(given, ast.Constant):
            return bool(given.value == self._runtime.app_id)
        return given is None and not call.keywords and self._runtime.sources.given_id is None


def _look_up(module: ModuleType, parts: tuple[str, ...], app: object) -> bool | None:
    """Whether `parts` names a task decorator among the objects of an imported module; None: it has no such name.

    Only dicts are read: no attribute is computed.
    """
    found: Any = module
    for index, part in enumerate(parts):
        if found is app:
            return index == len(parts) - 1 and part in _DECORATORS
        namespace = getattr(found, "__dict__", None)
        if namespace is None or part not in namespace:
            return None if index == 0 or isinstance(found, ModuleType) else False
        found = namespace[part]
    while isinstance(found, functools.partial):
        found = found.func
    return getattr(found, "__self__", None) is app and getattr(found, "__name__", "") in _DECORATORS


def _read(tree: ast.Module, package: str) -> _Text:
    text = _Text()
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for decorator in node.decorator_list:
                dotted = _dotted(decorator.func if isinstance(decorator, ast.Call) else decorator)
                if dotted is not None:
                    text.used.append(dotted)
            continue
        if isinstance(node, (ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(node, ast.Call) and (dotted := _dotted(node.func)) is not None:
            text.used.append(dotted)
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            _bind_import(text, node, package)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    text.names[target.id] = node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            text.names[node.target.id] = node.value
        waiting.extend(reversed(list(ast.iter_child_nodes(node))))
    return text


def _bind_import(text: _Text, node: ast.Import | ast.ImportFrom, package: str) -> None:
    if isinstance(node, ast.Import):
        for alias in node.names:
            first = alias.name.partition(".")[0]
            text.names[alias.asname or first] = (alias.name if alias.asname else first, None)
        return
    origin = node.module or ""
    if node.level:
        base = package.split(".")
        base = base[: len(base) - (node.level - 1)]
        origin = ".".join([*base, *([node.module] if node.module else [])])
    for alias in node.names:
        if alias.name == "*":
            text.stars.append(origin)
        else:
            text.names[alias.asname or alias.name] = (origin, alias.name)


def _dotted(node: ast.AST) -> tuple[str, ...] | None:
    """`a.b.c` as its parts; None for any other expression."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return (node.id, *reversed(parts))
