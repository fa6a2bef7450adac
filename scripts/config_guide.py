"""Write the tables of docs/guides/configuration.md anew, from the declarations in python/pynenc/conf.

`python scripts/config_guide.py` rewrites the file, `--check` only says (exit code 1) whether it would change.
"""

import enum
import importlib
import re
import sys
import typing
from pathlib import Path

from pynenc.conf.base import ConfigBase, Setting, fields_of
from pynenc.conf.base import _shown as shown

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "guides" / "configuration.md"
# A table stands between `<!-- settings: module.Class -->` and `<!-- end -->`.
TABLE = re.compile(r"(<!-- settings: (?P<module>[\w.]+)\.(?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
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
    """One line of a table."""
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
    """All settings of a class, those of its parents included."""
    kinds = typing.get_type_hints(cls)
    return HEAD + "".join(row(name, field, kinds[name]) for name, field in fields_of(cls).items())


def rendered(text: str) -> str:
    """The guide with its tables as the declarations have them."""
    return TABLE.sub(
        lambda match: match[1] + table(getattr(importlib.import_module(match["module"]), match["name"])) + match[4],
        text,
    )


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
