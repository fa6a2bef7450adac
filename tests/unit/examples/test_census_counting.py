"""The counts of the example, on sources with known lines."""

from __future__ import annotations

import importlib.util
import itertools
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "code_census"


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"code_census_{name}", EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


census = _load("census")


def test_nested_async_and_method_definitions_are_all_counted() -> None:
    source = b"""\
import os, os.path
from json import loads, dumps
from . import sibling
from ..up import other


class Outer:
    class Inner:
        async def fetch(self):
            await self

    @property
    def name(self):
        def local():
            return 1
        return local


f = lambda: None
"""
    counts = census.count_source(source, "pkg/a.py")
    assert (counts.files, counts.lines, counts.functions, counts.classes) == (1, 19, 3, 2)
    assert counts.imports == {".": 2, "json": 1, "os": 2}
    assert counts.unparsed == []
    assert [(one.name, one.line, one.length) for one in counts.longest] == [
        ("Outer.name", 13, 4),
        ("Outer.Inner.fetch", 9, 2),
        ("Outer.name.local", 14, 2),
    ]


def test_only_the_longest_functions_are_kept_and_ties_go_by_place() -> None:
    source = "".join(f"def f{n}():\n" + "    pass\n" * (n % 4 + 1) for n in range(12)).encode()
    longest = census.count_source(source, "a.py").longest
    assert [one.name for one in longest] == ["f3", "f7", "f11", "f2", "f6"]


@pytest.mark.parametrize(
    ("source", "functions"),
    [
        (b"", 0),
        (b"\xef\xbb\xbfdef f(): pass\n", 1),
        (b"# -*- coding: latin-1 -*-\nname = '\xe9'\ndef f(): pass\n", 1),
        (b"def f():\r\n    pass\r\n", 1),
        (b"def f(): pass", 1),
    ],
    ids=["empty", "byte-order-mark", "latin-1", "crlf", "no-newline-at-the-end"],
)
def test_a_source_is_decoded_as_python_does(source: bytes, functions: int) -> None:
    counts = census.count_source(source, "a.py")
    assert counts.unparsed == []
    assert counts.functions == functions
    assert counts.lines == len(source.splitlines())


@pytest.mark.parametrize(
    "source",
    [
        b"def f(:\n",
        b"name = '\xe9'\n",
        b"# coding: no-such-codec\n",
        b"a = 1\x00\n",
        b"\xff\xfed\x00e\x00f\x00",
        b"(" * 100_000,
        b"-" * 100_000 + b"1",
    ],
    ids=["syntax", "not-utf-8", "unknown-codec", "nul", "utf-16", "open-brackets", "deep"],
)
def test_a_file_that_cannot_be_parsed_is_counted_and_named(source: bytes) -> None:
    counts = census.count_source(source, "pkg/bad.py")
    assert (counts.files, counts.lines, counts.functions) == (1, len(source.splitlines()), 0)
    assert [one.file for one in counts.unparsed] == ["pkg/bad.py"]
    assert counts.unparsed[0].reason


def test_a_file_that_cannot_be_read_is_counted_and_named(tmp_path: Path) -> None:
    counts = census.count_file(str(tmp_path), "gone.py")
    assert (counts.files, counts.lines) == (1, 0)
    assert [(one.file, one.reason) for one in counts.unparsed] == [("gone.py", "No such file or directory")]


def test_the_order_of_merging_does_not_matter() -> None:
    sources = [
        b"import os\ndef f():\n    pass\n",
        b"import os, re\ndef g():\n    pass\n",
        b"def h(:",
        b"class C: pass\n",
    ]
    parts = [census.count_source(source, f"{number}.py") for number, source in enumerate(sources)]
    whole = census.merge(parts)
    assert whole.imports == {"os": 2, "re": 1}
    for order in itertools.permutations(parts):
        assert census.merge(order) == whole
        assert census.merge([census.merge(order[:2]), census.merge(order[2:])]) == whole


def test_packages_are_the_top_level_folders_and_modules(tmp_path: Path) -> None:
    for name in ("one.py", "two/__init__.py", "two/deep/er.py", "two.py", "two/data.txt", "docs/readme.txt"):
        _write(tmp_path / name)
    for name in ("__pycache__/x.py", "site-packages/x.py", "two/__pycache__/y.py", ".hidden/z.py", "two/.z.py", ".py"):
        _write(tmp_path / name)
    assert census.packages(str(tmp_path)) == ["one", "two"]
    assert census.files_of(str(tmp_path), "two") == ["two.py", "two/__init__.py", "two/deep/er.py"]
    assert census.files_of(str(tmp_path), "one") == ["one.py"]


def test_batches_hold_every_file_once(tmp_path: Path) -> None:
    for number in range(census.FILES_PER_BATCH * 2 + 1):
        _write(tmp_path / "many" / f"m{number:03}.py")
    batches = census.batches_of(str(tmp_path), "many")
    assert [len(batch) for batch in batches] == [census.FILES_PER_BATCH, census.FILES_PER_BATCH, 1]
    assert [file for batch in batches for file in batch] == census.files_of(str(tmp_path), "many")


def test_odd_entries_of_a_folder_do_not_stop_the_census(tmp_path: Path) -> None:
    _write(tmp_path / "good.py", "def f(): pass\n")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "broken.py").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.py")).write_text("def g(): pass\n")
    counted = census.count_tree(str(tmp_path))
    assert (counted.total.files, counted.total.functions) == (2, 1)
    assert [one.file for one in counted.total.unparsed] == ["caf\\udce9.py"]


def test_the_census_of_a_tree_is_the_sum_of_its_packages(tmp_path: Path) -> None:
    _write(tmp_path / "a.py", "import os\n")
    _write(tmp_path / "b" / "c.py", "import os\nclass C: pass\n")
    counted = census.count_tree(str(tmp_path))
    assert sorted(counted.packages) == ["a", "b"]
    assert counted.total == census.merge(counted.packages.values())
    assert (counted.total.files, counted.total.lines, counted.total.classes) == (2, 3, 1)


def _write(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
