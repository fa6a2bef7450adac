"""Take a census of a source tree with two runner processes, check it, and write a report.

python examples/code_census/run.py [--root DIR] [--store URL] [--runner CLASS] [--runners N]

The table goes to stdout, progress to stderr, and all other output into a folder of the run. Exit codes: 0 the totals
equal those of a plain count; 1 they differ, or a runner failed; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import sysconfig
import time
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import census as counting
from census import Census
from report import Run, by_count, by_lines, import_label, render
from runners import STOP_GRACE_SEC, RunnerFailed, Runners, child_environment
from server import reachable

if TYPE_CHECKING:
    from progress import Progress

    from pynenc.invocation import BaseInvocation

HERE = Path(__file__).resolve().parent
TICK_SEC = 0.1
DRAWN_BARS = 5000
"""More than these make a page that browsers do not like."""


class CensusFailed(Exception):
    """The run failed; the message has the reason."""


def main() -> int:
    """Run it; see the top of this file."""
    options = _options()
    folder = options.out or HERE / "out" / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"
    folder.mkdir(parents=True, exist_ok=True)
    for signum in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _interrupt)
    try:
        store = options.store or f"sqlite:///{folder.resolve() / 'census.db'}"
        with reachable(store, folder.resolve()) as url:
            return _run(options, folder.resolve(), url)
    except KeyboardInterrupt:
        print("\ninterrupted; the runners are stopped", file=sys.stderr)
        return 130
    except (CensusFailed, RunnerFailed) as error:
        print(f"\ncensus failed: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace, folder: Path, store: str) -> int:
    # The app reads its settings when it is imported; the runners get the same settings.
    os.environ.update(child_environment(store_url=store, stop_grace_sec=STOP_GRACE_SEC))
    import history
    import tasks
    from progress import Progress

    root = str(options.root)
    began = datetime.now().astimezone()
    with Runners(HERE / "tasks.py", folder, os.environ) as runners:
        runners.start(options.runners, options.runner)
        names = counting.packages(root)
        expected = 1 + len(names) + sum(len(counting.batches_of(root, name)) for name in names)
        progress = Progress(tasks.app, expected)
        print(
            f"census of {root}: {expected} invocations, {options.runners} runners on {_masked(store)}", file=sys.stderr
        )
        start = time.monotonic()
        invocation = tasks.census(root)
        result = _await(invocation, progress, runners, start + options.timeout)
        wall_sec = time.monotonic() - start
        progress.close()
        runners.stop()

    start = time.monotonic()
    _compare(result, counting.count_tree(root))
    sequential_sec = time.monotonic() - start
    levels = [str(task.task_id) for task in (tasks.census, tasks.count_package, tasks.count_batch)]
    invocations, attempts = history.read(tasks.app, str(invocation.invocation_id), levels)
    if invocations != expected:
        raise CensusFailed(f"the store has {invocations} invocations of this run, expected were {expected}")
    run = Run(
        root=root,
        store=_masked(store),
        runners=f"{options.runners} x {', '.join(sorted({one.runner.partition('(')[0] for one in attempts}))}",
        began=f"{began:%Y-%m-%d %H:%M:%S %Z}",
        wall_sec=wall_sec,
        sequential_sec=sequential_sec,
        invocations=invocations,
        census=result,
        bars=history.bars(attempts[:DRAWN_BARS]),
        bars_omitted=max(0, len(attempts) - DRAWN_BARS),
    )
    report = folder / "report.html"
    report.write_text(render(run), encoding="utf-8", errors="backslashreplace")
    _print_table(run)
    print(f"\nverified: the totals equal those of a plain sequential count\n{run.throughput}\nreport: {report}")
    return 0


def _await(invocation: BaseInvocation[[str], Census], progress: Progress, runners: Runners, deadline: float) -> Census:
    """The result of the root task. Raises `CensusFailed` if it fails or is late, `RunnerFailed` if a runner ends."""
    from pynenc.exceptions import InvocationTimeoutError

    while True:
        try:
            return invocation.get_result(timeout=TICK_SEC)
        except InvocationTimeoutError:
            pass
        except Exception as error:
            raise CensusFailed(f"the task raised {type(error).__name__}: {error}") from error
        progress.show()
        runners.check()
        if time.monotonic() > deadline:
            raise CensusFailed(f"it did not finish in time; the store says: {invocation.status}")


def _compare(counted: Census, expected: Census) -> None:
    """Raise `CensusFailed`, naming up to ten differences, unless the two are exactly equal."""
    if counted == expected:
        return
    differences = []
    for package in sorted(counted.packages.keys() | expected.packages.keys()):
        ours, theirs = counted.packages.get(package), expected.packages.get(package)
        if ours is None or theirs is None:
            differences.append(f"package {package} is {'missing' if ours is None else 'not in the plain count'}")
        else:
            differences += [
                f"{package}.{one.name}: {getattr(ours, one.name)!r:.200} instead of {getattr(theirs, one.name)!r:.200}"
                for one in fields(ours)
                if getattr(ours, one.name) != getattr(theirs, one.name)
            ]
    if not differences:
        differences.append(f"the total is {counted.total!r:.300} instead of {expected.total!r:.300}")
    shown = "\n  ".join(differences[:10])
    raise CensusFailed(f"the result is not that of a plain count (did the tree change meanwhile?):\n  {shown}")


def _print_table(run: Run) -> None:
    """The largest packages, the total, and the extremes."""
    total = run.census.total
    rows = [*by_lines(run.census)[:15], (f"all {len(run.census.packages)} packages", total)]
    print(f"{'package':<24}{'files':>8}{'lines':>11}{'functions':>11}{'classes':>9}")
    for name, counts in rows:
        print(f"{name:<24.24}{counts.files:>8,}{counts.lines:>11,}{counts.functions:>11,}{counts.classes:>9,}")
    print("\nlongest functions")
    for one in total.longest:
        print(f"  {one.length:>5} lines  {one.name}  ({one.file}:{one.line})")
    imports = ", ".join(f"{import_label(name)} {count}" for name, count in by_count(total.imports)[:8])
    print(f"most imported: {imports}")
    if total.unparsed:
        print(f"not parsed: {len(total.unparsed)} files, such as {total.unparsed[0].file} ({total.unparsed[0].reason})")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Take a census of a source tree with two runner processes.")
    parser.add_argument("--root", type=Path, metavar="DIR", help="the tree (default: the standard library)")
    parser.add_argument(
        "--store",
        metavar="URL",
        help="the store (default: a new SQLite file in the folder of the run); redis:// alone starts a server",
    )
    parser.add_argument("--runner", metavar="CLASS", help="runner class (default: what suits the store)")
    parser.add_argument("--runners", type=int, default=2, metavar="N", help="runner processes (default: 2)")
    parser.add_argument("--timeout", type=float, default=900.0, metavar="SEC", help="give up after that (default: 900)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (default: a new one below out/)")
    options = parser.parse_args()
    root: Path = options.root or Path(sysconfig.get_path("stdlib"))
    if not root.is_dir() or not counting.packages(str(root)):
        parser.error(f"--root {root}: it is not a folder with Python files in it")
    if (options.store or "").startswith("memory:"):
        parser.error(f"--store {options.store}: the runners are processes of their own and cannot see this memory")
    if options.runners < 1:
        parser.error(f"--runners {options.runners}: at least one is needed")
    options.root = root.resolve()
    return options


def _interrupt(signum: int, frame: object) -> NoReturn:
    """SIGTERM and SIGHUP end this program as Ctrl-C does: in order."""
    raise KeyboardInterrupt


def _masked(url: str) -> str:
    """A store URL without its user and password."""
    return re.sub(r"://[^/@]*@", "://***@", url)


if __name__ == "__main__":
    sys.exit(main())
