"""The comparison: ours and one peer at a time, alternating in one session on one machine; results/peers.json.

Usage: python -m peers.compare [--peer NAME]… [--rounds N] [--runner CLASS] [--no-once] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import limits
from benchkit import machine
from benchkit.stats import paired_ratio, summary
from peers import venvs
from support.servers import RedisServer

RUN = Path(__file__).with_name("run.py")
RESULTS = Path(__file__).resolve().parents[1] / "results" / "peers.json"
ROUNDS = 2
RUN_LIMIT_SEC = 150.0
SLOW_SEC = 5.0
"""A measure that took longer in the first round is not repeated."""

OURS = "ours"
DURABILITY = {
    "memory": "none: the store is this process",
    "sqlite": "ours: every acknowledged write is flushed; Huey: fsync on; others: their default",
    "redis": "the server keeps no file, for all systems",
}


@dataclass
class Values:
    """The values of one system on one store, round by round."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def add(self, row: dict[str, Any]) -> None:
        self.rows.setdefault(row["measure"], []).append(row)

    def numbers(self, measure: str) -> list[float]:
        return [row["value"] for row in self.rows.get(measure, []) if row["value"] is not None]

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for measure, rows in self.rows.items():
            numbers = self.numbers(measure)
            extra = {name: rows[-1][name] for name in rows[-1] if name not in ("measure", "value")}
            found[measure] = {**(summary(numbers) if numbers else {"median": None, "repetitions": len(rows)}), **extra}
        return found


def run(
    python: Path | str, system: str, store: str, what: str, skip: Iterable[str], runner: str
) -> list[dict[str, Any]]:
    """Run one adapter once with a fresh server and folder; return its rows. The last row is an `error` if it failed."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    server = RedisServer(folder)
    options = {
        "store": store, "redis_port": server.port, "redis_pid": server.pid, "folder": str(folder), "runner": runner
    }  # fmt: skip
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYNENC__", "PYTHONPATH"))}
    command = [str(python), str(RUN), system, what, *(word for name in skip for word in ("--skip", name))]
    rows: list[dict[str, Any]] = []
    child = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=(folder / "stderr").open("wb"), text=True, start_new_session=True,
        env={**environment, "BENCH_OPTIONS": json.dumps(options)},
    )  # fmt: skip
    try:
        out, _ = child.communicate(timeout=RUN_LIMIT_SEC)
        problem = "" if child.returncode == 0 else _last_line(folder / "stderr")
    except subprocess.TimeoutExpired:
        child.kill()
        out, _ = child.communicate()
        problem = f"the run took longer than {RUN_LIMIT_SEC:g} s"
    finally:
        _end_leftovers(folder)
        server.kill()
    rows += [json.loads(line) for line in out.splitlines() if line.startswith('{"measure"')]
    if problem:
        print(f"  {system} on {store}: {problem}", file=sys.stderr, flush=True)
        rows.append({"measure": "error", "value": None, "unit": "", "note": problem})
    shutil.rmtree(folder, ignore_errors=True)
    return rows


def _last_line(file: Path) -> str:
    lines = [line for line in file.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "no message"


def _end_leftovers(folder: Path) -> None:
    """Workers of a run that broke: they were started with its folder in their environment."""
    mark = str(folder).encode()
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                if b"BENCH_OPTIONS=" in (environment := (process / "environ").read_bytes()) and mark in environment:
                    os.kill(int(process.name), 9)
            except OSError:
                continue


def compare(document: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Add `{title, settings, versions, store, ours, theirs, ratios}` per peer to `peers`, and save after each peer.

    Peers that cannot be installed go to `left_out`, with the reason.
    """
    names, rounds, runner, with_once = arguments.peer, arguments.rounds, arguments.runner, not arguments.no_once
    pairs, left_out = document["peers"], document["left_out"]
    ours_once: dict[str, list[dict[str, Any]]] = {}
    for name, peer in venvs.peers().items():
        if names and name not in names:
            continue
        try:
            python = venvs.ensure(peer)
        except venvs.NotInstallableError as reason:
            left_out[name] = str(reason)
            print(f"{name}: left out: {reason}", flush=True)
            continue
        began = time.monotonic()
        ours, theirs = Values(), Values()
        system = peer.system or name
        slow: set[str] = set()
        for _ in range(rounds):
            for values, where in ((ours, (sys.executable, OURS)), (theirs, (python, system))):
                for row in run(*where, peer.store, "rounds", slow if values is theirs else (), runner):
                    values.add(row)
            slow |= {m for m in ("fan_100", "fan_1000") if any(v > SLOW_SEC for v in theirs.numbers(m))}
            slow |= {m for m in ("fan_100", "fan_1000") if m in theirs.rows and not theirs.numbers(m)}
        if with_once:
            if peer.store not in ours_once:
                ours_once[peer.store] = run(sys.executable, OURS, peer.store, "once", (), runner)
            for row in ours_once[peer.store]:
                ours.add(row)
            for row in run(python, system, peer.store, "once", (), runner):
                theirs.add(row)
        pairs[name] = {
            "title": peer.title, "settings": peer.settings, "store": peer.store,
            "versions": venvs.versions(peer, python), "ours": ours.summary(), "theirs": theirs.summary(),
            "ratios": {
                measure: paired_ratio(ours.numbers(measure), theirs.numbers(measure))
                for measure in ours.rows
                if ours.numbers(measure) and any(theirs.numbers(measure))
            },
        }  # fmt: skip
        arguments.out.write_text(json.dumps(document, indent=1) + "\n")
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)


def main() -> int:
    """0 when the comparison was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", action="append", default=[], help="only this one; may be repeated")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--runner", default="", help="our runner class")
    parser.add_argument("--no-once", action="store_true", help="leave out what is measured once")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    # The end of this process ends the started processes too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    facts = machine.facts()
    print("limits of this machine", flush=True)
    document = {
        "machine": facts, "durability": DURABILITY, "limits": limits.measure(), "peers": {}, "left_out": {}
    }  # fmt: skip
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    compare(document, arguments)
    print(f"wrote {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
