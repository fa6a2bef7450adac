"""A secret that every app of the suite has among its settings, and that nothing may print, log, store or show."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

SENTINEL = "s3nt1nel-of-the-suite-QWX"
_KEPT = (".db", ".db-wal", ".log", ".jsonl")


def leaks_in_report(report: pytest.TestReport) -> list[str]:
    """Return the place of the secret in the output, log or failure of a test."""
    parts = [(name, text) for name, text in report.sections if SENTINEL in text]
    return [name for name, _ in parts] + (["its failure"] if SENTINEL in report.longreprtext else [])


def without_secret(text: str) -> str:
    """A text to show for a failed test."""
    return text.replace(SENTINEL, "<the secret>")


def leaks_below(folder: Path) -> list[str]:
    """The stores and logs below a folder that hold the secret."""
    needle = SENTINEL.encode()
    files = (file for file in folder.rglob("*") if file.suffix in _KEPT and file.is_file())
    return [str(file) for file in files if needle in _content(file)]


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def hidden_in(texts: Iterable[tuple[str, str]], *secrets: str) -> None:
    """Fail with the name of each text that contains a secret, without the text."""
    found = [name for name, text in texts if any(secret in text for secret in secrets)]
    assert not found, f"a secret stands in {', '.join(found)}"
