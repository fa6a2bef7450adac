"""`pynenc status render`: the state machine as text and as a picture."""

from __future__ import annotations

import itertools
import subprocess
import sys
import xml.etree.ElementTree
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.processes import child_environment

from pynenc.invocation import InvocationStatus


def _pynenc(*arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pynenc", *arguments],
        env=child_environment(environment),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_state_machine_is_printed_without_an_app() -> None:
    done = _pynenc("status", "render")
    assert (done.returncode, done.stderr) == (0, "")
    rows = {line.split()[0]: line for line in done.stdout.splitlines()[1:]}
    assert list(rows) == [status.value for status in InvocationStatus]
    for status in InvocationStatus:
        followers = [one.value for one in InvocationStatus if status.can_transition_to(one)]
        assert rows[status].endswith(", ".join(followers))
        assert (" final" in rows[status].removeprefix(status)) == status.is_final()
        assert (" available" in rows[status]) == status.is_available_for_run()


def test_the_drawing_has_a_box_for_each_status_and_a_line_for_each_step() -> None:
    done = _pynenc("status", "render", "--format", "svg", "--output", "statuses.svg")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    drawing = xml.etree.ElementTree.parse("statuses.svg").getroot()
    groups = list(drawing.iter(f"{SVG}g"))
    boxes = {group.find(f"{SVG}text").text: _rectangle(group) for group in groups if group.get("class") == "status"}
    assert list(boxes) == [status.value for status in InvocationStatus]
    _, _, width, height = map(float, drawing.get("viewBox").split())
    for name, (left, top, right, bottom) in boxes.items():
        assert 0 <= left < right <= width, name
        assert 0 <= top < bottom <= height, name
        # A letter of 13 px is at most 8 px wide: no name is wider than its box.
        assert len(name) * 7.5 < right - left, name
    for (name, one), (other_name, other) in itertools.combinations(boxes.items(), 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart, f"{name} covers {other_name}"
    # A line that leaves a frame represents the statuses in it; its title names each transition.
    drawn = [step for group in groups if group.get("class") == "step" for step in _title(group).split(", ")]
    steps = [
        f"{one} to {other}" for one in InvocationStatus for other in InvocationStatus if one.can_transition_to(other)
    ]
    assert sorted(drawn) == sorted(steps)


SVG = "{http://www.w3.org/2000/svg}"


def _title(group: xml.etree.ElementTree.Element) -> str:
    return group.find(f"{SVG}title").text


def _rectangle(group: xml.etree.ElementTree.Element) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the box in a group."""
    box = group.find(f"{SVG}rect")
    left, top, width, height = (float(box.get(name)) for name in ("x", "y", "width", "height"))
    return left, top, left + width, top + height


@pytest.mark.parametrize("form", ["text", "svg"])
def test_a_file_is_checked_against_the_state_machine(form: str) -> None:
    check = ("status", "render", "--format", form, "--output", "statuses", "--check")
    done = _pynenc(*check)
    assert (done.returncode, done.stdout) == (1, "")
    assert "statuses is not what status render writes" in done.stderr
    assert _pynenc(*check[:-1]).returncode == 0
    assert _pynenc(*check).returncode == 0
    before = Path("statuses").read_text() + " "
    Path("statuses").write_text(before)
    assert _pynenc(*check).returncode == 1
    assert Path("statuses").read_text() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["status", "render", "--check"], "name it with --output"),
        (["status", "render", "--output", "no/such/folder"], "no/such/folder"),
        (["monitor", "--host", "0.0.0.0", "--port", "1", "--log-level", "debug"], "this build has no web monitor"),
    ],
    ids=str,
)
def test_a_command_that_is_not_offered_fails_with_one_line(arguments: list[str], words: str) -> None:
    done = _pynenc(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) == 1
