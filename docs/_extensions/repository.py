"""What the site adds to Sphinx: documents of the repository outside docs/, and pictures that follow the theme."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docutils import nodes
from site_links import PAGES, ROOT, with_links_of_the_site
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.roles import XRefRole
from sphinx.util.nodes import make_refnode

LISTED = {"decisions/README": "[0-9]*"}
"""Pages that list the pages beside them in a table; these follow them in the navigation."""

REFERENCE = "reference/api/"
"""The pages that are made from docstrings."""


class Name(XRefRole):
    """`name` in single backticks of a docstring: code as it is written, and a link if it names something public."""

    # No `title <target>`: that would drop the brackets of `pynenc.<app_id>`.
    explicit_title_re = re.compile(r"(?!)")

    def create_xref_node(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Refer to an object of Python of any kind."""
        self.refdomain, self.reftype = "py", "obj"
        return super().create_xref_node()

    def process_link(
        self, env: BuildEnvironment, refnode: nodes.Element, has_explicit_title: bool, title: str, target: str
    ) -> tuple[str, str]:
        """Look the name up from the class and the module that the docstring belongs to."""
        refnode["py:module"] = env.ref_context.get("py:module")
        refnode["py:class"] = env.ref_context.get("py:class")
        # Backslashes are still there in the raw text.
        return self.rawtext.strip("`"), target.removesuffix("()")


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
    """Join what napoleon took for a type and a text: the first sentence of an attribute, `The id: a UUID`."""
    if what in ("attribute", "data", "property"):
        for line in [line for line in lines if line.startswith(":type: ")]:
            lines.remove(line)
            lines[0] = f"{line.removeprefix(':type: ')}: {lines[0]}"


def _name_type_variables(
    app: Sphinx, what: str, name: str, obj: object, options: object, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    """Write type variables as the source does, `Params` instead of `~Params`."""

    def written(text: str | None) -> str | None:
        return text and text.replace("~pynenc.types.", "").replace("~Params", "Params")

    return written(signature), written(returns)


def _find_by_last_name(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.reference | None:
    """Link `RetryError` or `AppTest.advance` in a docstring of any module, if one public name ends so."""
    name = str(node["reftarget"])
    if node.get("refdomain") != "py" or not (name[:1].isupper() or "." in name):
        return None
    found = env.domains.python_domain.find_obj(env, None, None, name, None, searchmode=1)
    if len(found) != 1:
        return None
    [(full_name, entry)] = found
    return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, content, full_name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the above."""
    app.add_role("name", Name())
    app.connect("source-read", _read)
    # Before Sphinx collects pictures as files.
    app.connect("doctree-read", _put_in_pictures, priority=100)
    app.connect("env-get-outdated", _outdated)
    app.connect("missing-reference", _find_by_last_name)
    # After napoleon.
    app.connect("autodoc-process-signature", _name_type_variables)
    app.connect("autodoc-process-docstring", _keep_sentences, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
