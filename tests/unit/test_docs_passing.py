"""The guide to values shows the output of its program."""

from __future__ import annotations

from pathlib import Path

from support.guides import Guide, run_python


def test_the_refusals_in_the_guide_are_what_is_raised(tmp_path: Path) -> None:
    guide = Guide("what-may-be-passed.md")
    guide.write(tmp_path)
    assert guide.unnamed == []
    done = run_python(tmp_path, "refused.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout == guide.prints["refused.py"]
