"""Find the app of a command: by the spec of `--app`, or by a search of the working directory.

A spec is a module (`shop.tasks`, with exactly one app in it); a module and a name in it (`shop.tasks:app` or
`shop.tasks.app`); or a file (`shop/tasks.py`, `./tasks` or `shop/tasks.py:app`). A file is imported under the name that
its package gives it (folders with an `__init__.py` count), so that its tasks have the ids that every other importer
sees. Inside such a folder the imports of its modules decide: they see each other as `tasks` or as `shop.tasks`.

The working directory becomes the first entry of `sys.path` for modules, the folder of the outermost package for files.
Importing runs the module: name only modules that you trust.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from pynenc._tasks.shadows import ahead_of_the_standard_library, is_standard, shadow_hint
from pynenc.app import Pynenc
from pynenc.cli.module_names import module_name
from pynenc.exceptions import AppDiscoveryError
from pynenc.util.near_names import did_you_mean

_NAMES = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_DOTTED = re.compile(rf"({_NAMES})(?::({_NAMES}))?")
_PATH = re.compile(rf"(.+?)(?::({_NAMES}))?")
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True)
class FoundApp:
    """An app, and its place."""

    app: Pynenc
    """The app."""
    module: str
    """The name of the module that has it."""
    variable: str
    """The name of the variable in that module."""
    file: str
    """The path of that module; empty for a module without a file."""

    @property
    def location(self) -> str:
        """`module:variable (file)`."""
        return f"{self.module}:{self.variable}" + (f" ({self.file})" if self.file else "")


def find_app(spec: str | None = None) -> FoundApp:
    """Find an app as the command line does. Imports the module of the app.

    Without a spec it reads the top-level `*.py` files of the working directory as text, and imports the only file that
    makes an app.

    Args:
        spec: `module`, `module:variable`, `file.py` or `file.py:variable`; None searches the working directory.
    Returns:
        The app and its place.
    Raises:
        AppDiscoveryError: the spec is none, it names no app or several, or the module fails to import.
    """
    if spec is None:
        return _scan(Path.cwd())
    label = f"--app {_printable(spec)}"
    path = _PATH.fullmatch(spec) if spec.strip() and spec.isprintable() else None
    if path is None:
        raise AppDiscoveryError(f"{label} names no app: {_FORMS}")
    if "/" in path[1] or "\\" in path[1] or path[1].endswith(".py"):
        return _pick(_import_file(Path(path[1]), label), path[2] or "", label)
    dotted = _DOTTED.fullmatch(spec)
    if dotted is None:
        raise AppDiscoveryError(f"{label} names no app: {_FORMS}")
    _put_on_path(Path.cwd())
    if dotted[2]:
        return _pick(_import_module(dotted[1], label), dotted[2], label)
    return _pick(*_split_dotted(spec, label), label)


_FORMS = "give a module (shop.tasks), a module and a name (shop.tasks:app), or a file (shop/tasks.py)"


# -- modules -----------------------------------------------------------------------------------------------------------


def _split_dotted(name: str, label: str) -> tuple[ModuleType, str]:
    """`a.b.c` as the module it is, or as module `a.b` and the name `c`."""
    try:
        return _import_module(name, label), ""
    except _NoSuchModuleError:
        parent, _, variable = name.rpartition(".")
        if not parent:
            raise
    return _import_module(parent, label), variable


def _modules_beside(name: str) -> list[str]:
    """The modules in the folder where a module that is missing would be: of its package, or the working directory."""
    package, _, _ = name.rpartition(".")
    parent = sys.modules.get(package)
    folders = [str(Path.cwd())] if not package else list(getattr(parent, "__path__", ()))
    prefix = f"{package}." if package else ""
    return [f"{prefix}{found.name}" for found in pkgutil.iter_modules(folders)]


class _NoSuchModuleError(AppDiscoveryError):
    """Return whether the module itself is missing, not a module that it imports."""


def _import_module(name: str, label: str) -> ModuleType:
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            hint = did_you_mean(error.name, _modules_beside(error.name))
            raise _NoSuchModuleError(
                f"{label}: there is no module {error.name!r}, neither in {Path.cwd()} nor on sys.path"
                f"{f': {hint}' if hint else ''}"
            ) from None
        raise _import_failed(name, label, error) from error
    except (Exception, SystemExit) as error:
        raise _import_failed(name, label, error) from error


def _import_failed(name: str, label: str, error: BaseException) -> AppDiscoveryError:
    hint = shadow_hint(sys.path) if isinstance(error, (ImportError, AttributeError)) else ""
    return AppDiscoveryError(
        f"{label}: importing {name} failed with {type(error).__name__}: {error}{_where(error)}{hint}"
    )


def _where(error: BaseException) -> str:
    """The line of the user's code that raised, as far as the traceback tells."""
    line = ""
    traceback = error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if not file.startswith("<") and file not in (__file__, importlib.__file__):
            line = f" (at {file}:{traceback.tb_lineno})"
        traceback = traceback.tb_next
    return line


# -- files -------------------------------------------------------------------------------------------------------------


def _import_file(path: Path, label: str) -> ModuleType:
    file = _existing_file(path, label)
    name, root = module_name(file, Path.cwd().resolve())
    if any(not part.isidentifier() for part in name.split(".")):
        raise AppDiscoveryError(f"{label}: {file} cannot be imported, for {name!r} is no module name: rename it")
    _put_on_path(root)
    module = _import_module(name, label)
    if module.__file__ is None or not Path(module.__file__).samefile(file):
        raise AppDiscoveryError(
            f"{label}: {file} cannot be imported, for the module {name!r} is {module.__file__ or 'built in'}: "
            "rename the file"
        )
    return module


def _existing_file(path: Path, label: str) -> Path:
    """The Python file, absolute; that of a package for its folder."""
    try:
        for candidate in (path, path.with_name(f"{path.name}.py") if path.name else path, path / "__init__.py"):
            if candidate.is_file():
                break
        else:
            what = "it is a folder without an __init__.py" if path.is_dir() else "there is no such file"
            raise AppDiscoveryError(f"{label}: {what} ({path.absolute()})")
        if candidate.suffix != ".py":
            raise AppDiscoveryError(f"{label}: it is no Python file (*.py)")
        return candidate.resolve()
    except OSError as error:
        raise AppDiscoveryError(f"{label}: cannot look at it: {error.strerror or error}") from None


def _put_on_path(folder: Path) -> None:
    """First, as for a script in that folder, unless it is ahead of the standard library already."""
    entry = str(folder)
    if not any(
        entry == known or (known == "" and folder == Path.cwd()) for known in ahead_of_the_standard_library(sys.path)
    ):
        sys.path[:] = [entry, *(known for known in sys.path if known != entry)]


# -- apps --------------------------------------------------------------------------------------------------------------


def _pick(module: ModuleType, variable: str, label: str) -> FoundApp:
    """Return the app called `variable` in `module`, or the only app in it."""
    if variable:
        return _named(module, variable, label)
    found = list(_apps_in(module))
    if not found:
        raise AppDiscoveryError(
            f"{label}: the module {module.__name__}{_standard(module)} has no Pynenc app: define one (app = Pynenc()), "
            "or name the module that has it"
        )
    if len(found) > 1:
        names = ", ".join(f"{one.module}:{one.variable}" for one in found)
        raise AppDiscoveryError(f"{label}: there are {len(found)} apps, name one of them: {names}")
    return found[0]


def _standard(module: ModuleType) -> str:
    """Say that a module is not the user's file of that name."""
    return " of the standard library (rename your file)" if is_standard(module.__name__) else ""


def _named(module: ModuleType, variable: str, label: str) -> FoundApp:
    value: Any = module
    for name in variable.split("."):
        try:
            value = getattr(value, name)
        except AttributeError:
            apps = [one.variable for one in _apps_in(module)]
            full = f"{module.__name__}.{variable}"
            hint = did_you_mean(variable, apps) or did_you_mean(full, _modules_beside(full))
            raise AppDiscoveryError(
                f"{label}: the module {module.__name__} has no {variable!r}{f': {hint}' if hint else ''} "
                f"(apps in it: {', '.join(apps) or 'none'})"
            ) from None
    if not isinstance(value, Pynenc):
        raise AppDiscoveryError(f"{label} is a {type(value).__name__}, not a Pynenc app")
    return _found(module, variable, value)


def _apps_in(module: ModuleType) -> Iterator[FoundApp]:
    """Each app of a module once, under its first name."""
    seen: set[int] = set()
    for name, value in vars(module).copy().items():
        if isinstance(value, Pynenc) and id(value) not in seen:
            seen.add(id(value))
            yield _found(module, name, value)


def _found(module: ModuleType, variable: str, app: Pynenc) -> FoundApp:
    return FoundApp(app, module.__name__, variable, module.__file__ or "")


def _scan(folder: Path) -> FoundApp:
    """Return the app of the only file that creates an app, or else mentions `Pynenc`; only that file is imported."""
    makers: list[Path] = []
    mentions: list[Path] = []
    unread: list[str] = []
    for file in sorted(folder.glob("*.py")):
        try:
            text = file.read_bytes() if file.is_file() else b""
            if b"Pynenc" in text:
                (makers if _makes_an_app(ast.parse(text)) else mentions).append(file)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            unread.append(f"{file.name} cannot be read: {type(error).__name__}: {error}")
    candidates = makers or mentions
    left_out = "".join(f"; {one}" for one in unread)
    if not candidates:
        raise AppDiscoveryError(
            f"no --app was given, and no *.py file of {folder} makes a Pynenc app{left_out}: name the app, {_FORMS}"
        )
    if len(candidates) > 1:
        names = ", ".join(file.name for file in candidates)
        does = "make a Pynenc app" if makers else "mention Pynenc"
        raise AppDiscoveryError(
            f"no --app was given, and {len(candidates)} files of {folder} {does}: name one of them with --app: "
            f"{names}{left_out}"
        )
    return _pick(_import_file(candidates[0], candidates[0].name), "", candidates[0].name)


def _makes_an_app(tree: ast.Module) -> bool:
    """Whether the module, when it is imported, calls `Pynenc`, a subclass of it, or `build` of its builder."""
    classes = {"Pynenc"}
    waiting: list[ast.AST] = list(reversed(tree.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(node, ast.ClassDef) and any(_last_name(base) in classes for base in node.bases):
            classes.add(node.name)
        if isinstance(node, ast.ImportFrom):
            classes.update(alias.asname for alias in node.names if alias.name == "Pynenc" and alias.asname)
        if isinstance(node, ast.Call):
            name = _last_name(node.func)
            if name in classes or (name == "build" and "PynencBuilder" in ast.dump(node.func)):
                return True
        waiting.extend(reversed(list(ast.iter_child_nodes(node))))
    return False


def _last_name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _printable(spec: str) -> str:
    """A spec as it can be printed, whatever is in it."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in spec[:_SHOWN_CHARACTERS])
    return (text or repr(spec)) + ("…" if len(spec) > _SHOWN_CHARACTERS else "")
