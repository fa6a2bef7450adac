"""The log lines that the guide describes are logged."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs/guides/running-in-production.md"
ROW = re.compile(r"^\| `([^`]+)` \| (ERROR|WARNING) \| ", re.MULTILINE)
RUST_LINE = re.compile(r'log::(error|warn|info)!\(\s*(?:target: "[^"]*",\s*)?"((?:[^"\\]|\\.|\\\n)*)"', re.MULTILINE)
RUST_LEVELS = {"error": "ERROR", "warn": "WARNING", "info": "INFO"}
ANY_LEVEL = "any"


def _python_lines(source: str) -> Iterator[tuple[str, str]]:
    """Yield the level and the text of each constant log message, with `…` for its variable parts."""
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        level, at = (ANY_LEVEL, 1) if node.func.attr == "log" else (node.func.attr.upper(), 0)
        if level not in ("ERROR", "WARNING", "INFO", "EXCEPTION", ANY_LEVEL) or len(node.args) <= at:
            continue
        message = node.args[at]
        if isinstance(message, ast.Constant) and isinstance(message.value, str):
            yield level, re.sub(r"%[-\d.]*[a-z]", "…", message.value)


def _rust_lines(source: str) -> Iterator[tuple[str, str]]:
    for level, text in RUST_LINE.findall(source):
        joined = re.sub(r"\\\n\s*", "", text)
        yield RUST_LEVELS[level], re.sub(r"\{[^}]*\}", "…", joined)


@pytest.fixture(scope="module")
def logged() -> set[tuple[str, str]]:
    """All that is logged anywhere."""
    lines: set[tuple[str, str]] = set()
    for path in (ROOT / "python").rglob("*.py"):
        lines.update(_python_lines(path.read_text()))
    for path in (ROOT / "rust").rglob("src/**/*.rs"):
        lines.update(_rust_lines(path.read_text()))
    return lines


ALERTS = ROW.findall(GUIDE.read_text())


def test_the_guide_names_lines_to_watch_for() -> None:
    assert len(ALERTS) >= 10


@pytest.mark.parametrize(("line", "level"), ALERTS)
def test_documented_log_lines_are_logged_at_their_levels(line: str, level: str, logged: set[tuple[str, str]]) -> None:
    pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
    found = {known for known, text in logged if pattern.fullmatch(text)}
    assert found & {level, ANY_LEVEL}, f"no line of level {level} reads {line!r}"
