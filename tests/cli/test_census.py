"""The main job in small: the example runs with two runner processes, and its report is correct."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support.processes import Processes, child_environment

RUN = Path(__file__).resolve().parents[2] / "examples" / "code_census" / "run.py"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three packages, one of them of several batches, with all kinds of files of a source tree."""
    root = tmp_path / "tree"
    (root / "many" / "deep").mkdir(parents=True)
    for number in range(60):
        folder = root / "many" / ("deep" if number % 2 else "")
        folder.joinpath(f"m{number}.py").write_text(f"import os\n\nclass C{number}:\n    def f(self):\n        pass\n")
    (root / "single.py").write_text(
        "from json import loads\n\nasync def g():\n    def inner(): pass\n    return inner\n"
    )
    (root / "bad").mkdir()
    (root / "bad" / "syntax.py").write_text("def f(:\n")
    (root / "bad" / "<b>&amp;.py").write_text("x = 1\n")
    (root / "bad" / "bytes.py").write_bytes(b"name = '\xe9'\n")
    return root


class _Page(HTMLParser):
    """Collects the references of a page, and checks that each element is closed."""

    _VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)
        if tag not in self._VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _census(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUN), *arguments],
        env=child_environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_two_runners_count_a_tree_and_the_report_shows_it(tree: Path, tmp_path: Path) -> None:
    done = _census("--root", str(tree), "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr + done.stdout
    assert re.search(r"^all 3 packages +64 +308 +62 +60$", done.stdout, re.MULTILINE), done.stdout
    assert "verified: the totals equal" in done.stdout
    # The root, three packages, and three, one and one batches.
    assert "9/9 done" in done.stderr
    report = tmp_path / "out" / "report.html"
    assert f"report: {report}" in done.stdout
    for number in (1, 2):
        assert "Starting runner for app: code_census" in (tmp_path / "out" / f"runner-{number}.log").read_text()

    text = report.read_text()
    page = _Page()
    page.feed(text)
    page.close()
    assert page.open == []
    assert text.count('<div class="chart">') == 4
    assert not page.attributes & {"src", "href", "onload"}
    assert "script" not in page.tags
    assert "b" in page.tags
    assert "&lt;b&gt;&amp;amp;.py" in text or "<b>&amp;.py" not in text
    assert text.count("count_batch ") >= 5
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    assert headings[0] == "Which slot ran what"
    # On a phone no chart is cut: no part of a chart has a fixed width, and each chart fits the page.
    lanes = re.findall(r"<svg (.*?)>", text)
    assert lanes
    assert all('preserveAspectRatio="none"' in lane and " width=" not in lane for lane in lanes)
    widths = re.findall(r'<span class="bar \w+" style="width:([\d.]+)(.)', text)
    assert widths
    assert all(float(number) <= 100 and unit == "%" for number, unit in widths)
    assert not re.search(r"^svg|[^x(]min-width: *\d", text, re.MULTILINE)


@pytest.mark.parametrize(
    "runner", ["ThreadRunner", "PersistentProcessRunner", "MultiThreadRunner", "ProcessRunner", "AsyncRunner"]
)
def test_every_runner_counts_the_same(tree: Path, tmp_path: Path, runner: str) -> None:
    done = _census("--root", str(tree), "--out", str(tmp_path / "out"), "--runner", runner)
    assert done.returncode == 0, done.stderr + done.stdout
    assert re.search(r"^all 3 packages +64 +308 +62 +60$", done.stdout, re.MULTILINE), done.stdout
    assert "verified: the totals equal" in done.stdout
    for number in (1, 2):
        log = (tmp_path / "out" / f"runner-{number}.log").read_text()
        assert f"Runner: {runner} (asked for with --runner)" in log


def test_make_passes_the_runner_on() -> None:
    done = subprocess.run(
        ["make", "--dry-run", "run", "RUNNER=ProcessRunner"],
        cwd=RUN.parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "examples/code_census/run.py  --runner 'ProcessRunner'" in done.stdout


def test_a_failing_runner_ends_the_census_with_its_log(tree: Path, tmp_path: Path) -> None:
    done = _census("--root", str(tree), "--out", str(tmp_path / "out"), "--runner", "NoSuchRunner")
    assert done.returncode == 1
    assert "census failed: a runner ended with exit code 1" in done.stderr
    assert "NoSuchRunner" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [["--root", "nowhere"], ["--store", "memory://"], ["--runners", "0"]], ids=str)
def test_invalid_arguments_are_refused_before_a_process_starts(arguments: list[str], tmp_path: Path) -> None:
    done = _census(*arguments, "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_census_runs_on_a_redis_server_of_its_own(tree: Path, tmp_path: Path) -> None:
    done = _census("--root", str(tree), "--out", str(tmp_path / "out"), "--store", "redis://")
    assert done.returncode == 0, done.stderr + done.stdout
    assert "verified: the totals equal" in done.stdout
    assert "redis://127.0.0.1:" in done.stderr
    log = (tmp_path / "out" / "redis.log").read_text()
    assert "bye bye" in log, "the server was stopped"


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=lambda signum: signum.name)
def test_an_interrupted_census_leaves_no_runner_behind(
    signum: signal.Signals, processes: Processes, tmp_path: Path
) -> None:
    # The standard library takes long enough to be interrupted.
    out = tmp_path / "out"
    census = processes.python(str(RUN), "--out", str(out))
    census.await_output("running")
    census.send(signum)
    assert census.wait() == 130
    assert "Traceback" not in census.output()
    assert _processes_that_mention(str(out)) == []


def _processes_that_mention(text: str) -> list[str]:
    """Command and environment of every process that has `text` in them: the runners get the store's path."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            # The process has ended meanwhile, or belongs to another user.
            continue
    return found
