"""Render the tables of docs/guides/configuration.md from the declarations in python/pynenc/conf.

`python scripts/config_guide.py` rewrites the file. `--check` only reports by exit code 1 that the file would change.
"""

import enum
import importlib
import re
import sys
import typing
from pathlib import Path

from pynenc.conf.base import WITHOUT_EFFECT, ConfigBase, Setting, fields_of, offered
from pynenc.conf.base import _shown as shown
from pynenc.conf.given import config_classes

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "guides" / "configuration.md"
# A table is between `<!-- settings: module.Class -->` and `<!-- end -->`.
TABLE = re.compile(r"(<!-- settings: (?P<module>[\w.]+)\.(?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
APPENDIX = re.compile(r"(<!-- settings without effect -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = "| Setting | Default | Unit | Allowed | Meaning |\n|---|---|---|---|---|\n"


def allowed(field: Setting, kind: object) -> str:
    """The values that the type and the rules of a field let through; empty if it has none."""
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return ", ".join(str(member.value) for member in kind)
    if field.choices:
        return ", ".join(field.choices)
    bounds = [("from", field.at_least), ("above", field.above), ("to", field.at_most)]
    return " ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)


def row(name: str, field: Setting, kind: object) -> str:
    """Return one line of a table."""
    default = shown(field, field.default_value())
    cells = (
        f"`{name}`",
        f"`{default}`",
        field.unit,
        allowed(field, kind),
        field.doc.replace("|", "\\|").replace("<", "&lt;"),
    )
    return f"| {' | '.join(cells)} |\n"


def table(cls: type[ConfigBase]) -> str:
    """Return the settings of a class that have an effect, including those of its parents."""
    kinds, names = typing.get_type_hints(cls), offered(cls)
    return HEAD + "".join(row(name, field, kinds[name]) for name, field in fields_of(cls).items() if name in names)


def appendix() -> str:
    """The settings without effect, where they are declared."""
    rows = [
        f"| `{name}` | `{cls.__name__}` | {field.doc.removeprefix(WITHOUT_EFFECT).removeprefix(': ')} |\n"
        for cls in sorted(config_classes(), key=lambda cls: cls.__name__)
        if cls.__module__.startswith("pynenc.conf.")
        for name, field in vars(cls).items()
        if isinstance(field, Setting) and field.without_effect
    ]
    return "| Setting | Class | Why, or what instead |\n|---|---|---|\n" + "".join(rows)


def rendered(text: str) -> str:
    """The guide with its tables as the declarations have them."""
    tables = TABLE.sub(
        lambda match: match[1] + table(getattr(importlib.import_module(match["module"]), match["name"])) + match[4],
        text,
    )
    return APPENDIX.sub(lambda match: match[1] + appendix() + match[2], tables)


def main() -> int:
    """0 when the guide is up to date at the end."""
    text = GUIDE.read_text(encoding="utf-8")
    new = rendered(text)
    if "--check" in sys.argv[1:]:
        return int(new != text)
    GUIDE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
