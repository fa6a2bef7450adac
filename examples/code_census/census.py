"""Count the contents of a tree of Python files: pure functions for the tasks and for the check of their totals.

A *package* is a top-level folder or module of the tree: `email/…` is `email`, `ast.py` is `ast`.
"""

from __future__ import annotations

import ast
import os
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

FILES_PER_BATCH = 25
LONGEST = 5
"""How many of the longest functions are kept."""

RELATIVE = "."
"""The name under which relative imports are counted."""

SKIPPED_FOLDERS = frozenset({"__pycache__", "site-packages", "dist-packages", "node_modules"})
"""Not looked into; nor is anything whose name begins with a dot."""

SOURCE_NAME = "<census>"
"""The file name that the parser receives; warnings about the source have this name."""


@dataclass(frozen=True, order=True)
class Unparsed:
    """A file that could be counted, but not parsed."""

    file: str
    reason: str


@dataclass(frozen=True)
class Function:
    """One function with its location."""

    name: str
    """Qualified within the file, as in `Class.method`."""
    file: str
    line: int
    length: int
    """The number of lines from `def` to the last line, both included."""


@dataclass(frozen=True)
class Counts:
    """The counts of some files. Paths are relative to the root of the tree."""

    files: int = 0
    lines: int = 0
    functions: int = 0
    classes: int = 0
    longest: list[Function] = field(default_factory=list)
    """At most `LONGEST`, the longest first."""
    imports: dict[str, int] = field(default_factory=dict)
    """How many import statements name a top-level module."""
    unparsed: list[Unparsed] = field(default_factory=list)


@dataclass(frozen=True)
class Census:
    """The whole tree."""

    packages: dict[str, Counts]
    total: Counts


# -- the tree ----------------------------------------------------------------------------------------------------------


def packages(root: str) -> list[str]:
    """Names of the packages with at least one file, sorted."""
    return sorted({package_of(file) for file in _walk(root)})


def files_of(root: str, package: str) -> list[str]:
    """The files of one package, relative to `root`, sorted."""
    return sorted(_walk(root, package=package))


def batches_of(root: str, package: str) -> list[list[str]]:
    """The same, in parts of `FILES_PER_BATCH`."""
    files = files_of(root, package)
    return [files[start : start + FILES_PER_BATCH] for start in range(0, len(files), FILES_PER_BATCH)]


def package_of(file: str) -> str:
    """The package that a file (relative to the root) belongs to."""
    top, slash, _ = file.partition("/")
    return top if slash else top.removesuffix(".py")


def _walk(folder: str, prefix: str = "", package: str | None = None) -> Iterator[str]:
    """Return every Python file below `folder`, with `prefix` before it; only those of one package if it is named.

    Links to folders are not followed.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            # A name that is not UTF-8 cannot be sent; the file will be listed as unreadable.
            name = entry.name.encode(errors="backslashreplace").decode()
            if name.startswith(".") or package not in (None, name, name.removesuffix(".py")):
                continue
            if entry.is_dir(follow_symlinks=False):
                if name not in SKIPPED_FOLDERS and package in (None, name):
                    yield from _walk(entry.path, f"{prefix}{name}/")
            elif name.endswith(".py") and entry.is_file():
                yield prefix + name


# -- counting ----------------------------------------------------------------------------------------------------------


def count_files(root: str, files: Iterable[str]) -> Counts:
    """Count these files (relative to `root`)."""
    return merge(count_file(root, file) for file in files)


def count_file(root: str, file: str) -> Counts:
    """Count one file. A file that cannot be read or parsed is counted and named."""
    try:
        source = Path(root, file).read_bytes()
    except OSError as error:
        return Counts(files=1, unparsed=[Unparsed(file, error.strerror or type(error).__name__)])
    return count_source(source, file)


# Seen with CPython 3.11: two threads that parse at the same time can fail with "AST constructor recursion depth
# mismatch". The interpreter would not let them run in parallel anyway.
_PARSING = threading.Lock()


def count_source(source: bytes, file: str) -> Counts:
    """Count the bytes of one file; its encoding is detected like Python does."""
    lines = len(source.splitlines())
    try:
        with _PARSING:
            tree = ast.parse(source, SOURCE_NAME)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        return Counts(files=1, lines=lines, unparsed=[Unparsed(file, reason or type(error).__name__)])
    functions: list[Function] = []
    classes = 0
    imports: Counter[str] = Counter()
    for node, name in _named_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            last = node.end_lineno if node.end_lineno is not None else node.lineno
            functions.append(Function(name, file, node.lineno, last - node.lineno + 1))
        elif isinstance(node, ast.ClassDef):
            classes += 1
        elif isinstance(node, ast.Import):
            imports.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imports[RELATIVE if node.level else (node.module or "").partition(".")[0]] += 1
    return Counts(1, lines, len(functions), classes, _longest(functions), dict(sorted(imports.items())), [])


def merge(parts: Iterable[Counts]) -> Counts:
    """The sum. The order of the parts does not matter."""
    files = lines = functions = classes = 0
    longest: list[Function] = []
    imports: Counter[str] = Counter()
    unparsed: list[Unparsed] = []
    for part in parts:
        files += part.files
        lines += part.lines
        functions += part.functions
        classes += part.classes
        longest = _longest([*longest, *part.longest])
        imports.update(part.imports)
        unparsed += part.unparsed
    return Counts(files, lines, functions, classes, longest, dict(sorted(imports.items())), sorted(unparsed))


def summarize(counted: Iterable[tuple[str, Counts]]) -> Census:
    """Packages with their counts, in any order, as the census of the tree."""
    by_name = dict(sorted(counted))
    return Census(by_name, merge(by_name.values()))


def count_tree(root: str) -> Census:
    """Return the census of a tree, one file after the other."""
    return summarize((package, count_files(root, files_of(root, package))) for package in packages(root))


def _longest(functions: list[Function]) -> list[Function]:
    return sorted(functions, key=lambda one: (-one.length, one.file, one.line, one.name))[:LONGEST]


def _named_nodes(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Every node with the qualified name of the definition it is, or is in. No recursion: sources may nest deeply."""
    waiting: list[tuple[ast.AST, str]] = [(tree, "")]
    while waiting:
        node, outer = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            outer = f"{outer}.{node.name}" if outer else node.name
        yield node, outer
        waiting.extend((child, outer) for child in ast.iter_child_nodes(node))
