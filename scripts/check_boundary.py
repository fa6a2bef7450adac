"""Check the walls of the house: core knows no Python and no driver, few Python modules know the extension.

Exit code 1 if a wall is broken; a file that has grown too long is only named.
"""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "pynenc"

# The engine may never depend on these, however indirectly.
FORBIDDEN_IN_CORE = ("pyo3", "tokio", "async-std", "rusqlite", "redis")

# The modules that may import pynenc._core, relative to python/pynenc. The rest goes through these.
CORE_IMPORTERS = frozenset(
    {
        "_engine/calls.py",
        "_engine/facts.py",
        "_engine/outcomes.py",
        "_engine/running.py",
        "_kernel/process.py",
        "_kernel/store_handle.py",
        "_logs/engine.py",
        "serializer/signing.py",
    }
)

MAX_LINES = 400


def core_dependencies() -> set[str]:
    """Names of all crates that pynenc-core is built from."""
    command = ["cargo", "tree", "--locked", "-p", "pynenc-core", "-e", "normal,build", "--prefix", "none", "-f", "{p}"]
    tree = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return {line.split()[0] for line in tree.stdout.splitlines() if line}


def imports_core(source: Path) -> bool:
    """Whether this module imports the extension at run time; under TYPE_CHECKING it may."""
    tree = ast.parse(source.read_text(), filename=str(source))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = {f"{node.module or ''}.{alias.name}" for alias in node.names} | {node.module or ""}
        elif isinstance(node, ast.Import):
            names = {alias.name for alias in node.names}
        else:
            continue
        if any("_core" in name.split(".") for name in names):
            return True
    return False


def broken_walls() -> list[str]:
    """Yield a sentence for each broken rule."""
    found = [
        f"pynenc-core depends on {crate}, which belongs into a store or the binding"
        for crate in sorted(core_dependencies())
        if crate.startswith(FORBIDDEN_IN_CORE)
    ]
    importers = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if imports_core(path)}
    found += [
        f"python/pynenc/{name} imports pynenc._core and is not on the list in {Path(__file__).name}"
        for name in sorted(importers - CORE_IMPORTERS)
    ]
    return found


def long_files() -> list[str]:
    """`path: lines` of source files over MAX_LINES."""
    folders = [ROOT / "rust", PACKAGE, ROOT / "tests"]
    sources = [path for folder in folders for path in folder.rglob("*") if path.suffix in {".rs", ".py"}]
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in sources}
    return [f"{path}: {lines} lines" for path, lines in sorted(lengths.items()) if lines > MAX_LINES]


def main() -> int:
    """Check the rules; return 0 if none is broken."""
    broken = broken_walls() + [
        f"{line}; a source has at most {MAX_LINES}: split it by what its parts do" for line in long_files()
    ]
    for line in broken:
        print(f"error: {line}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
