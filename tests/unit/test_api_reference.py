"""The API reference names every public class and function."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "reference" / "api"
DIRECTIVE = re.compile(r"^\.\. auto(?:class|function|exception|data):: ([\w.]+)(?:\(\))?$", re.MULTILINE)
LISTED = [name for page in sorted(PAGES.glob("*.rst")) for name in DIRECTIVE.findall(page.read_text())]
PACKAGES = (
    "pynenc", "pynenc.broker", "pynenc.client_data_store", "pynenc.invocation", "pynenc.orchestrator", "pynenc.runner",
    "pynenc.serializer", "pynenc.state_backend", "pynenc.testing", "pynenc.trigger", "pynenc.workflow",
)  # fmt: skip
"""Packages whose `__all__` is public."""


def contract() -> dict[str, str]:
    """The names that code written for pynenc imports, by module, as the test of them lists them."""
    tree = ast.parse((ROOT / "tests" / "compat" / "test_contract_names.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NAMES":
            names: dict[str, str] = ast.literal_eval(node.value)
            return names
    raise AssertionError("tests/compat/test_contract_names.py has no NAMES")


def resolved(dotted: str) -> Any:
    """What a dotted name stands for."""
    module, _, last = dotted.rpartition(".")
    return getattr(importlib.import_module(module), last)


def public() -> list[str]:
    """Every public name, as a dotted path."""
    names = [f"{module}.{name}" for module, text in contract().items() for name in text.split()]
    for package in PACKAGES:
        names += [f"{package}.{name}" for name in importlib.import_module(package).__all__]
    errors = vars(importlib.import_module("pynenc.exceptions"))
    names += [f"{cls.__module__}.{name}" for name, cls in errors.items() if isinstance(cls, type)]
    return sorted(name for name in names if name.startswith("pynenc") and "._" not in name)


def test_a_name_is_listed_once() -> None:
    assert sorted(name for name in LISTED if LISTED.count(name) > 1) == []


@pytest.mark.parametrize("name", LISTED)
def test_a_name_of_the_reference_exists(name: str) -> None:
    module, _, last = name.rpartition(".")
    assert hasattr(importlib.import_module(module), last)


def test_every_public_name_is_in_the_reference() -> None:
    objects = {id(resolved(name)) for name in LISTED}
    last_parts = {name.rpartition(".")[2] for name in LISTED}
    missing = [name for name in public() if id(resolved(name)) not in objects or _is_plain(name, last_parts)]
    assert missing == []


def _is_plain(name: str, last_parts: set[str]) -> bool:
    """Whether this is a constant that the reference does not name: equal constants may be one object."""
    return not hasattr(resolved(name), "__name__") and name.rpartition(".")[2] not in last_parts
