"""The sources of settings: files, the environment, and their order of precedence."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pynenc.conf.ownership import foreign_hand
from pynenc.exceptions import ConfigFileError

PREFIX = "PYNENC__"

CODE = "config_values"
"""The origin of settings that are passed to the app."""

_PYPROJECT = "pyproject.toml"


@dataclass(frozen=True)
class Layer:
    """Values of one origin; a later layer overrides an earlier one."""

    source: str
    """The source of a value in the words of an error."""
    values: Mapping[str, Any]
    is_text: bool = False
    """Whether values are texts of environment variables; an empty one counts as not set."""
    origin: str = ""
    """The file, dict or environment that contains this layer."""


def read_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a configuration file: yaml, json or toml, by its suffix. Blocks for the read.

    Args:
        path: the file.
    Returns:
        Its settings; none for an empty file.
    Raises:
        ConfigFileError: the file is missing, unreadable, malformed, of an unknown kind, or no mapping. Names the file.
    """
    file = Path(path)
    parse = _PARSERS.get(file.suffix.lower())
    if parse is None:
        raise ConfigFileError(f"configuration file {str(file)!r}: its name must end in .toml, .json, .yaml or .yml")
    try:
        text = file.read_text(encoding="utf-8")
        found, problem = (parse(text) if text.strip() else {}), None
    except (OSError, ValueError, RecursionError) as error:
        found, problem = {}, _without_quotes(error)
    if problem is not None:
        # Raised outside the handler: the parser's error may quote the file, and some tools show the context.
        raise ConfigFileError(f"configuration file {str(file)!r} cannot be read: {problem}")
    if not isinstance(found, dict):
        raise ConfigFileError(f"configuration file {str(file)!r} must hold a mapping, got {type(found).__name__}")
    return found


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise _Unavailable("PyYAML is not installed: pip install 'pynenc-rs[yaml]'") from None
    try:
        found = yaml.safe_load(text)
        return {} if found is None else found
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        raise _Unavailable(f"it is not valid YAML{where}") from None


class _Unavailable(ValueError):
    """A fault of a file whose message quotes no part of the file."""


_POSITION = re.compile(r"\(at (line \d+, column \d+|end of document)\)\Z")


def _without_quotes(error: Exception) -> str:
    """Return the fault of a file and its position, without text of the file: a line may contain a password."""
    if isinstance(error, (OSError, _Unavailable)):
        return str(error)
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 at byte {error.start}"
    if isinstance(error, json.JSONDecodeError):
        return f"it is not valid JSON at line {error.lineno}, column {error.colno}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    found = _POSITION.search(str(error))
    return f"it is not valid{f' at {found[1]}' if found else ''}"


_PARSERS: dict[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".json": json.loads,
    ".yaml": _yaml,
    ".yml": _yaml,
}


def section_layers(source: str, values: Mapping[str, Any], sections: Sequence[str]) -> Iterator[Layer]:
    """Yield the top level of a file or dict, then each of its sections."""
    yield Layer(source, values, origin=source)
    for name in sections:
        section = values.get(name)
        if isinstance(section, Mapping):
            yield Layer(f"{source}, section {name!r}", section, origin=source)


def whole_files(
    filepath: str | None, class_names: Sequence[str], *, allow_foreign: bool
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield `(source, contents)` of `./pyproject.toml`, of the file in code, and of the files in the environment.

    Args:
        allow_foreign: accept files that another user owns or may write.

    Raises:
        ConfigFileError: a file cannot be read, or another user owns it or may write it.
    """
    pyproject, *others = candidate_files(filepath, class_names)
    if Path(pyproject).is_file():
        _refuse_foreign(Path(pyproject), allow_foreign)
        yield pyproject, _settings_in(Path(pyproject))
    for path in others:
        _refuse_foreign(Path(path), allow_foreign)
        yield f"file {path}", _settings_in(Path(path))


def candidate_files(filepath: str | None, class_names: Sequence[str]) -> Iterator[str]:
    """Yield `./pyproject.toml`, which may be missing, the file in code, and the files in the environment."""
    yield _PYPROJECT
    variables = [f"{PREFIX}FILEPATH", *(f"{PREFIX}{name.upper()}__FILEPATH" for name in class_names)]
    for path in (filepath, *(os.environ.get(variable) for variable in variables)):
        if path:
            yield path


def _settings_in(file: Path) -> Mapping[str, Any]:
    """Return the settings of a file: all of it, or the table `[tool.pynenc]` of a `pyproject.toml`."""
    found = read_file(file)
    if not file.name.endswith(_PYPROJECT):
        return found
    tool = found.get("tool", {})
    table = tool.get("pynenc", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        raise ConfigFileError(f"[tool.pynenc] of {file} must be a table, got {type(table).__name__}")
    return table


def _refuse_foreign(file: Path, allow_foreign: bool) -> None:
    problem = None if allow_foreign else foreign_hand(file)
    if problem is not None:
        raise ConfigFileError(f"configuration file {problem}")


def file_layers(
    filepath: str | None, class_names: Sequence[str], sections: Sequence[str], *, allow_foreign: bool
) -> Iterator[Layer]:
    """Yield the layers of every configuration file with its sections. Raises like `whole_files`."""
    for source, values in whole_files(filepath, class_names, allow_foreign=allow_foreign):
        yield from section_layers(source, values, sections)


def environment_layers(fields: Sequence[str], scopes: Sequence[str]) -> Iterator[Layer]:
    """Yield the layers of `PYNENC__<SCOPE>__<FIELD>`; later scopes override earlier ones; `""` is `PYNENC__<FIELD>`."""
    for scope in scopes:
        for field in fields:
            variable = f"{PREFIX}{scope}__{field}".upper() if scope else f"{PREFIX}{field}".upper()
            text = os.environ.get(variable)
            if text:
                source = f"environment variable {variable}"
                yield Layer(source, {field: text}, is_text=True, origin="the environment")
