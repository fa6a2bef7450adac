"""The documentation's site: links between its pages and to files beside them, and the check of what was built."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def load(file: Path) -> ModuleType:
    """The module in a file that is no part of a package."""
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


site_links = load(DOCS / "_extensions" / "site_links.py")
check_site = load(ROOT / "scripts" / "check_site.py")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("runners.md", "/guides/runners.md"),
        ("../concepts/waiting.md", "/concepts/waiting.md"),
        ("../../ARCHITECTURE.md", "/project/architecture.md"),
        ("../../README.md", "/index.md"),
        ("../../rust/core/src/claim.rs", "REPOSITORY/blob/main/rust/core/src/claim.rs"),
        ("../../rust/core/src", "REPOSITORY/tree/main/rust/core/src"),
        ("https://example.org/runners.md", "https://example.org/runners.md"),
        ("no-such-page.md", "no-such-page.md"),
        ("../../../outside.md", "../../../outside.md"),
    ],
)
def test_a_link_of_a_guide_leads_to_its_page_or_into_the_repository(target: str, expected: str) -> None:
    wanted = expected.replace("REPOSITORY", site_links.repository_url())
    assert site_links.on_the_site(target, DOCS / "guides") == wanted


def test_links_in_code_stay_as_they_are_and_fragments_are_kept() -> None:
    text = "[a](runners.md#x) `[b](runners.md)`\n\n```python\nx[0](runners.md)\n```\n\n[c]: runners.md\n"
    made = site_links.with_links_of_the_site(text, DOCS / "guides")
    assert made == text.replace("](runners.md#x)", "](/guides/runners.md#x)", 1).replace(
        ": runners", ": /guides/runners"
    )


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ('<a href="gone.html">x</a>', "gone.html: no such file"),
        ('<a href="#gone">x</a>', "#gone: no such anchor"),
        ('<a href="other.html#gone">x</a>', "other.html#gone: no such anchor"),
        ('<a href="http://example.org/">x</a>', "http://example.org/: not https"),
        ('<img src="https://example.org/x.png">', "https://example.org/x.png: loaded from another host"),
        ('<script src="//example.org/x.js"></script>', "//example.org/x.js: loaded from another host"),
        (
            '<link rel="stylesheet" href="https://example.org/x.css">',
            "https://example.org/x.css: loaded from another host",
        ),
    ],
)
def test_a_wrong_link_of_a_page_is_named(tmp_path: Path, body: str, problem: str) -> None:
    (tmp_path / "other.html").write_text('<p id="here">x</p>')
    (tmp_path / "index.html").write_text(body)
    assert list(check_site.Site(tmp_path).problems()) == [f"index.html: {problem}"]


def test_a_style_sheet_that_loads_from_another_host_is_named(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<p>x</p>")
    (tmp_path / "site.css").write_text("@font-face { src: url(https://example.org/a.woff2) }")
    [problem] = check_site.Site(tmp_path).problems()
    assert problem == "site.css: https://example.org/a.woff2: loaded from another host"


def test_right_links_pass(tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text('<p id="here">x</p>')
    links = ["other.html", "other.html#here", "#top", "https://example.org/", "data:,x"]
    (tmp_path / "index.html").write_text('<p id="top">' + "".join(f'<a href="{link}">x</a>' for link in links))
    assert check_site.main(tmp_path) == 0


def test_every_page_is_listed_in_the_navigation() -> None:
    listed = set((DOCS / "index.md").read_text().splitlines())
    pages = {str(page.relative_to(DOCS).with_suffix("")) for page in DOCS.rglob("*.md")} - {"index"}
    assert sorted(page for page in pages - listed if not page.startswith("decisions/0")) == []
