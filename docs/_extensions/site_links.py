"""Links of a Markdown document of the repository, as the site needs them.

The same files are read in the repository, so they link relatively to any file of it. On the site such a link leads to
the page made of that file, or to the file in the repository.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

PAGES = {
    "project/architecture": "ARCHITECTURE.md",
    "project/changelog": "CHANGELOG.md",
    "project/contributing": "CONTRIBUTING.md",
    "project/security": "SECURITY.md",
}
"""Pages whose text is a document of the root."""

_CODE_OR_LINK = re.compile(
    r"(?P<code>^(?P<fence>```+|~~~+).*?^(?P=fence)|`[^`\n]+`)"
    r"|(?P<before>\]\(|^\[[^\]\n]+\]: )(?P<target>[^)\s#]+)(?P<fragment>#[^)\s]*)?",
    re.MULTILINE | re.DOTALL,
)


def repository_url() -> str:
    """The address of the repository, as the package names it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["urls"]["Repository"])


def on_the_site(target: str, folder: Path) -> str:
    """The target of a link that stands in a document of `folder`, as the site needs it.

    Args:
        target: a path without a fragment, or a URL.
        folder: where the document lies; relative targets start there.
    Returns:
        A path that begins with `/` (the folder docs/), a URL, or the target unchanged if it names no file.
    """
    if "://" in target or target.startswith(("/", "mailto:")):
        return target
    file = Path(os.path.normpath(folder / target))
    if not file.exists() or not file.is_relative_to(ROOT):
        return target
    path = file.relative_to(ROOT).as_posix()
    if path == "README.md":
        return "/index.md"
    page = next((page for page, document in PAGES.items() if document == path), None)
    if page is not None:
        return f"/{page}.md"
    if file.is_relative_to(DOCS) and file.is_file():
        return f"/{file.relative_to(DOCS).as_posix()}"
    return f"{repository_url()}/{'tree' if file.is_dir() else 'blob'}/main/{path}"


def with_links_of_the_site(text: str, folder: Path) -> str:
    """A Markdown text of `folder` with the targets of its links as the site needs them; code stays as it is."""

    def replaced(found: re.Match[str]) -> str:
        if found["code"] is not None:
            return found[0]
        return f"{found['before']}{on_the_site(found['target'], folder)}{found['fragment'] or ''}"

    return _CODE_OR_LINK.sub(replaced, text)
