"""Check the links of the built documentation, and that its pages load nothing from another host.

Usage: check_site.py FOLDER (with the HTML files that `make docs` built). Links to other hosts are not followed, because
not every machine reaches them; they must be https.
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# `<link>` elements that name an address and load nothing.
NAMED_ONLY = {"canonical", "alternate", "next", "prev", "index", "search", "author", "top", "up"}
CSS_LOADS = re.compile(r"url\(\s*['\"]?(?P<url>[^'\")]+)|@import\s+['\"](?P<imported>[^'\"]+)")


class Page(HTMLParser):
    """One page: its anchors, where its links lead, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what this element names."""
        given = {name: value for name, value in attrs if value}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        elif tag == "link" and "href" in given:
            kinds = set(given.get("rel", "").split())
            (self.links if kinds & NAMED_ONLY else self.loads).add(given["href"])
        if "src" in given:
            self.loads.add(given["src"])
        self.loads.update(found["url"] for found in CSS_LOADS.finditer(given.get("style", "")) if found["url"])


class Site:
    """A folder of pages; each is read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.pages = {file: Page(file.read_text(encoding="utf-8")) for file in sorted(self.folder.rglob("*.html"))}

    def problems(self) -> Iterator[str]:
        """What is wrong, a line each."""
        for file, page in self.pages.items():
            for url in sorted(page.links | page.loads):
                if trouble := self._trouble(file, url, loads=url in page.loads):
                    yield f"{file.relative_to(self.folder)}: {url}: {trouble}"
        for file in sorted(self.folder.rglob("*.css")):
            for found in CSS_LOADS.finditer(file.read_text(encoding="utf-8")):
                url = found["url"] or found["imported"]
                if trouble := self._trouble(file, url, loads=True):
                    yield f"{file.relative_to(self.folder)}: {url}: {trouble}"

    def _trouble(self, file: Path, url: str, *, loads: bool) -> str | None:
        parts = urlsplit(url)
        if parts.scheme == "data":
            return None
        if parts.scheme or parts.netloc:
            if loads:
                return "loaded from another host"
            return None if parts.scheme in ("https", "mailto") else "not https"
        target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
        if target.is_dir():
            target /= "index.html"
        if not target.is_file():
            return "no such file"
        page = self.pages.get(target)
        if parts.fragment and page is not None and unquote(parts.fragment) not in page.anchors:
            return "no such anchor"
        return None


def main(folder: Path) -> int:
    """0 if nothing is wrong."""
    site = Site(folder)
    if not site.pages:
        print(f"error: no HTML file in {folder}", file=sys.stderr)
        return 1
    problems = list(site.problems())
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        print(f"error: {len(problems)} links of the documentation are wrong", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
