"""The documents are true: named files exist, and shown commands run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

LINK = re.compile(r"\]\(([^)\s]+)\)")
REFERENCE = re.compile(r"\]\[([\w-]+)\]")
DEFINITION = re.compile(r"^\[([\w-]+)\]: (\S+)$", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
# A path of this repository in backticks: it has a folder, or is a document or build file of the root.
PATH = re.compile(
    r"^(?:(?:rust|python|tests|benches|docs|examples|scripts|\.github|\.ci)/[\w./-]*|[\w.-]+\.(?:md|toml))$"
)
MAKE = re.compile(r"(?:^ {4}|`)(?:[A-Z]+=\S+ )*make ([a-z-]+)", re.MULTILINE)
# Made when things run, or belonging to the reader.
NOT_OURS = {"dist/", "pyproject.toml"}


def named_paths(document: Path) -> set[str]:
    """Paths that a document names in backticks."""
    return {code for code in CODE.findall(document.read_text()) if PATH.match(code)} - NOT_OURS


def make_targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_path_a_document_names_exists(document: Path) -> None:
    missing = sorted(path for path in named_paths(document) if not (ROOT / path).exists())
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_local_link_of_a_document_resolves(document: Path) -> None:
    text = document.read_text()
    links = [*LINK.findall(text), *(target for _, target in DEFINITION.findall(text))]
    targets = [link.partition("#")[0] for link in links if "://" not in link]
    missing = sorted(target for target in targets if target and not (document.parent / target).exists())
    assert not missing


def test_every_reference_of_architecture_is_defined_and_used() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    assert set(REFERENCE.findall(text)) == {name for name, _ in DEFINITION.findall(text)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_target_a_document_names_exists(document: Path) -> None:
    named = set(MAKE.findall(document.read_text()))
    assert named <= make_targets()


STEPS = ("call", "submit", "queue", "claim", "execute", "settle", "notify", "result")


def test_architecture_names_a_file_for_each_step_in_core_stores_python_and_tests() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    for step in STEPS:
        (_, _, core, python), (_, sqlite, redis, tests) = (row for row in rows if row[0] == step)
        assert all(REFERENCE.search(cell) for cell in (core, python, sqlite, redis, tests)), (
            f"a place of {step} is missing"
        )


def test_no_line_of_architecture_is_longer_than_120_columns() -> None:
    assert [line for line in (ROOT / "ARCHITECTURE.md").read_text().splitlines() if len(line) > 120] == []


def test_every_decision_is_listed_and_the_numbers_have_no_gap() -> None:
    folder = ROOT / "docs" / "decisions"
    records = sorted(path.name for path in folder.glob("[0-9]*.md"))
    assert [name[:4] for name in records] == [f"{number:04}" for number in range(1, len(records) + 1)]
    index = (folder / "README.md").read_text()
    assert all(f"({name})" in index for name in records)


def test_the_table_of_faults_is_what_was_measured() -> None:
    script = ROOT / "scripts" / "chaos_table.py"
    done = subprocess.run([sys.executable, str(script), "--check"], timeout=60, check=False)
    assert done.returncode == 0, "write it anew with scripts/chaos_table.py"


def test_the_costs_of_redis_are_what_was_measured() -> None:
    script = ROOT / "scripts" / "redis_costs.py"
    done = subprocess.run([sys.executable, str(script), "--check"], timeout=60, check=False)
    assert done.returncode == 0, "write it anew with scripts/redis_costs.py"


def test_the_changelog_names_the_version_or_is_unreleased() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()
    version = re.search(r'^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f"## [{version[1]}]" in changelog or "## [Unreleased]" in changelog


def test_the_quickstart_of_the_readme_prints_what_it_promises() -> None:
    script = ROOT / "scripts" / "quickstart.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr


def test_the_command_line_reference_names_every_option_and_no_other() -> None:
    from pynenc.cli.main import _parser

    options: set[str] = set()
    parsers = [_parser()]
    while parsers:
        for action in parsers.pop()._actions:
            options.update(option for option in action.option_strings if option not in {"-h", "--help"})
            parsers.extend((getattr(action, "choices", None) or {}).values() if action.nargs == "A..." else [])
    reference = (ROOT / "docs" / "reference" / "command-line.md").read_text()
    assert set(re.findall(r"`(--?[a-z-]+)`", reference)) == options
