"""Tables and plots are rendered from results, and only between their markers."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import render
import svg

MACHINE = {
    "commit": "abc", "date": "2026-01-01", "cores": 2, "cpu": "a CPU", "system": "Linux", "python": "3.11",
    "redis": "7", "sqlite": "3.51", "load_before": 0.1,
}  # fmt: skip


def results(folder: Path) -> render.Results:
    row = {"median": 12_345.6, "unit": "tasks/s", "repetitions": 2}
    pair = {
        "title": "Peer", "settings": "as it is", "store": "redis", "versions": "peer 1", "ratios": {},
        "ours": {"end_to_end": row}, "theirs": {"end_to_end": {**row, "median": None, "note": "deadlock: in 15 s"}},
    }  # fmt: skip
    document = {
        "machine": MACHINE,
        "durability": {},
        "limits": {},
        "peers": {"peer": pair},
        "left_out": {"x": "no wheel"},
    }
    (folder / "peers.json").write_text(json.dumps(document))
    return render.Results(folder)


def test_only_what_is_between_the_markers_changes(tmp_path: Path) -> None:
    text = "before\n<!-- bench:short -->\nold\n<!-- /bench -->\nafter\n"
    made = render.render(text, results(tmp_path))
    assert made.startswith("before\n<!-- bench:short -->\n")
    assert made.endswith("<!-- /bench -->\nafter\n")
    assert "old" not in made
    assert "12,300" in made
    assert render.render(made, results(tmp_path)) == made


def test_a_measurement_that_failed_says_why(tmp_path: Path) -> None:
    made = results(tmp_path)
    assert "deadlock" in render.full(made)
    assert "x: left out, no wheel" in render.machine(made)


def test_without_results_the_tables_say_how_to_get_them(tmp_path: Path) -> None:
    empty = render.Results(tmp_path)
    for section in ("short", "full", "machine", "limits", "suites"):
        assert "make bench" in render.SECTIONS[section](empty)


def test_a_busy_machine_makes_the_numbers_provisional(tmp_path: Path) -> None:
    made = results(tmp_path)
    assert "provisional" not in render.short(made)
    made.peers["machine"] = {**MACHINE, "load_before": 3.5}
    assert "provisional" in render.short(made)


def test_a_plot_is_a_picture_with_a_bar_for_each_row() -> None:
    picture = ET.fromstring(svg.bars("A & B", [("ours", 1000.0, True), ("<peer>", 10.0, False)], "tasks/s"))
    rectangles = picture.findall("{http://www.w3.org/2000/svg}rect")
    assert [rectangle.get("class") for rectangle in rectangles] == ["ours", "peer"]
    assert float(rectangles[0].get("width", 0)) > float(rectangles[1].get("width", 0))


def test_the_documents_are_up_to_date_with_the_results() -> None:
    made = render.Results()
    for file in render.DOCUMENTS:
        assert render.render(file.read_text(), made) == file.read_text(), f"{file.name} is stale: make bench renders it"
    for name, text in render.plots(made).items():
        assert (render.PLOTS / name).read_text() == text
