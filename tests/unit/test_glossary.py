"""The glossary is short, its words are in the code, and retired words are nowhere."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 40
"""How many words the glossary may have."""

WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
"""One word of a text, also inside `snake_case` and `CamelCase`."""

RETIRED = {
    "valet": ["*"],
    "desk": ["*"],
    "looker": ["*"],
    "errand": ["*"],
    "nursery": ["*"],
    "ear": ["*"],
    "pulse": ["*"],
    "bell": ["*"],
    "doorbell": ["*"],
    "hub": ["python/*"],
    "home": ["python/*"],
    "member": ["python/pynenc/runner/_*", "rust/core/*"],
}
"""Retired words of the code, and the places where they must not return.

"Home" and "member" have a plain meaning elsewhere: a user's folder, an entry of a set in Redis.
"""

REMAIN: dict[str, set[str]] = {
    # Data: a key of the table `meta`, and the name of a folder beside the database, which older releases share.
    "docs/decisions/0005-*": {"bell"},
    "rust/stores/sqlite/queries/notices/*": {"bell"},
    "rust/stores/sqlite/src/notice_folder.rs": {"bell"},
    "rust/stores/sqlite/src/notices.rs": {"bell"},
    "rust/stores/sqlite/tests/*": {"bell"},
    # Names that a person may pick for a runner.
    "tests/runners/test_private_names.py": {"bell", "pulse"},
    # The word of gevent.
    "python/pynenc/_wait/greenlets.py": {"hub"},
}
"""Retired words that cannot go, by the pattern of their files."""


@cache
def glossary() -> dict[str, str]:
    """Return the words of docs/glossary.md with their meanings."""
    rows = re.findall(r"^\| ([a-z ]+) \| (.+) \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
    return {word: meaning for word, meaning in rows if word != "word"}


@cache
def words_by_file() -> dict[str, set[str]]:
    """Return the words of each text file in python, rust, docs and tests, in lower case and in the singular."""
    found: dict[str, set[str]] = {}
    for folder in ("python", "rust", "docs", "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            name = str(path.relative_to(ROOT))
            if not path.is_file() or path.suffix not in {".py", ".pyi", ".rs", ".lua", ".sql", ".md", ".toml", ".c"}:
                continue
            words = {word.lower() for word in WORD.findall(path.read_text())}
            found[name] = words | {word.removesuffix("s") for word in words}
    return found


def test_the_glossary_has_at_most_forty_words_with_one_meaning_each() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text()
    assert 20 < len(glossary()) <= LONGEST
    assert len(re.findall(r"^\| [a-z ]+ \|", text, re.MULTILINE)) == len(glossary()) + 1, "a word stands there twice"
    assert list(glossary()) == sorted(glossary())


@pytest.mark.parametrize("word", glossary())
def test_a_word_of_the_glossary_is_found_in_the_code(word: str) -> None:
    code = [words for name, words in words_by_file().items() if name.startswith(("python/pynenc/", "rust/"))]
    assert any(set(word.split()) <= words for words in code)


@pytest.mark.parametrize("word", RETIRED)
def test_a_retired_word_does_not_return(word: str) -> None:
    found = {
        name
        for name, words in words_by_file().items()
        if word in words and any(fnmatch(name, pattern) for pattern in RETIRED[word])
    }
    remain = {name for name in found if any(word in words and fnmatch(name, place) for place, words in REMAIN.items())}
    own = str(Path(__file__).relative_to(ROOT))
    assert not found - remain - {own}, f"{word!r} is retired: see docs/glossary.md for the words to use"
