"""How Sphinx builds this documentation: `make docs`. Why Sphinx: docs/decisions, "The documentation site"."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_extensions"))

_cargo = tomllib.loads((DOCS.parent / "Cargo.toml").read_text(encoding="utf-8"))

project = "pynenc-rs"
copyright = "the pynenc-rs maintainers"
release = _cargo["workspace"]["package"]["version"]
version = release

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon", "repository"]
root_doc = "index"
exclude_patterns = ["_extensions", "_static"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}

# Markdown: the anchors of headings are those that a repository's web pages give them.
myst_enable_extensions = ["colon_fence", "attrs_inline"]
myst_heading_anchors = 4

# The reference: docstrings have Google's sections, and `name` in single backticks links to what it names.
default_role = "name"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autosummary_generate = False
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
add_module_names = False
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = "pynenc-rs"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
# Nothing is loaded from another host, also not an icon: scripts/check_site.py.
html_theme_options = {"footer_icons": []}
pygments_style = "tango"
pygments_dark_style = "monokai"
