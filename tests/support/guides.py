"""The code of a guide, as a reader would use it: files in a folder, and the output of each program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"

BLOCK = re.compile(r"^```(?P<language>python|text)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"# (?P<name>[\w/]+\.py)\n")


class Guide:
    """One guide. A block of Python begins with the name of its file, such as `# shop.py`; blocks of one file are
    joined.
    """

    def __init__(self, name: str) -> None:
        self.files: dict[str, str] = {}
        self.unnamed: list[str] = []
        self.prints: dict[str, str] = {}
        """The output of a program, if a block of text follows its last block of Python."""
        last = ""
        for block in BLOCK.finditer((GUIDES / name).read_text()):
            named = NAME.match(block["text"])
            if block["language"] == "text":
                if last:
                    self.prints[last] = block["text"]
                last = ""
            elif named is None:
                self.unnamed.append(block["text"])
                last = ""
            else:
                last = named["name"]
                code = block["text"][named.end() :]
                self.files[last] = f"{self.files[last]}\n\n{code}" if last in self.files else code

    def write(self, folder: Path) -> None:
        """Write the files into `folder`."""
        for name, text in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)


def run_python(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run this interpreter in `folder` with nothing of this repository on the path."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHONPATH"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
