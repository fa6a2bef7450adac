"""What the site adds to Sphinx: documents of the repository outside docs/, and pictures that follow the theme."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from docutils import nodes
from site_links import PAGES, ROOT, with_links_of_the_site
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

LISTED = {"decisions/README": "[0-9]*"}
"""Pages that list the pages beside them in a table; these follow them in the navigation."""

REFERENCE = "reference/api/"
"""The pages that are made from docstrings."""


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    """Give a page its text: that of the root's document, with links of the site."""
    if page in PAGES:
        file = ROOT / PAGES[page]
        app.env.note_dependency(str(file))
        source[0] = with_links_of_the_site(file.read_text(encoding="utf-8"), ROOT)
    elif app.env.doc2path(page).suffix == ".md":
        source[0] = with_links_of_the_site(source[0], app.env.doc2path(page).parent)
    if page in LISTED:
        source[0] += f"\n```{{toctree}}\n:hidden:\n:glob:\n\n{LISTED[page]}\n```\n"


def _put_in_pictures(app: Sphinx, document: nodes.document) -> None:
    """Put SVG files into the page itself, where they take their colours from its theme."""
    for image in list(document.findall(nodes.image)):
        if image["uri"].endswith(".svg") and "://" not in image["uri"]:
            relative, absolute = app.env.relfn2path(image["uri"], app.env.docname)
            app.env.note_dependency(relative)
            picture = Path(absolute).read_text(encoding="utf-8")
            image.replace_self(nodes.raw("", f'<div class="picture">{picture}</div>', format="html"))


def _outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Read the reference anew in every build: files of an installed wheel do not say when they changed."""
    return [page for page in env.found_docs if page.startswith(REFERENCE)]


def _keep_sentences(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keep napoleon from reading the first sentence of an attribute, `The id: a UUID`, as a type and a text."""
    if what in ("attribute", "data", "property"):
        lines.insert(0, "")


def _name_type_variables(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Write type variables as the source does, `Params` instead of `~Params`."""
    return signature and signature.replace("~", ""), returns and returns.replace("~", "")


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the above."""
    app.connect("source-read", _read)
    # Before Sphinx collects pictures as files.
    app.connect("doctree-read", _put_in_pictures, priority=100)
    app.connect("env-get-outdated", _outdated)
    # Before napoleon reads the sections.
    app.connect("autodoc-process-signature", _name_type_variables)
    app.connect("autodoc-process-docstring", _keep_sentences, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
