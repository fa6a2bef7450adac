"""The README as a package index shows it: without the files beside it, and with the URLs of the wheel."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
URLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]

INLINE = re.compile(r"\]\(([^)\s]+)\)")
DEFINITION = re.compile(r"^\[([^\]]+)\]: (\S+)$", re.MULTILINE)
# `[text][label]` or `[label]`, but no `[text](target)` and no definition.
REFERENCE = re.compile(r"\[([^\]]+)\](?:\[([^\]]+)\])?(?![\(:])")
FILES = f"{URLS['Repository']}/blob/main/"


def outside_code(text: str) -> str:
    """The text without its blocks and spans of code."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^ {4}.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]+`", "", text)


PROSE = outside_code(README)
DEFINED = dict(DEFINITION.findall(PROSE))


def test_every_link_of_the_readme_is_absolute() -> None:
    targets = {*INLINE.findall(PROSE), *DEFINED.values()}
    assert len(targets) > 20
    assert sorted(target for target in targets if not target.startswith("https://")) == []


def test_every_link_into_the_repository_leads_to_a_file_that_exists() -> None:
    inside = [target.removeprefix(FILES) for target in DEFINED.values() if target.startswith(URLS["Repository"])]
    assert sorted(path for path in inside if not (ROOT / path).is_file()) == []


def test_the_readme_defines_the_links_that_it_uses_and_no_others() -> None:
    body = DEFINITION.sub("", PROSE)
    assert {label or text for text, label in REFERENCE.findall(body)} == set(DEFINED)


def test_the_readme_installs_what_the_package_is_called() -> None:
    assert f"\n    pip install {metadata.metadata('pynenc-rs')['Name']}\n" in README


@pytest.mark.parametrize("label", ["Homepage", "Repository", "Documentation", "Changelog", "Issues"])
def test_the_installed_wheel_names_the_url(label: str) -> None:
    named = dict(line.split(", ", 1) for line in metadata.metadata("pynenc-rs").get_all("Project-URL") or [])
    assert named[label] == URLS[label]
