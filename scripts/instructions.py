"""Count the instructions of the core's hot verbs under callgrind, and compare with benches/instructions.json.

The exit code of `instructions.py` is 1 if a verb takes more instructions than the tolerance allows, or so many fewer
that the record no longer guards anything. `instructions.py --write` records the results. Instructions, unlike times, do
not depend on the load of the machine.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "benches" / "instructions.json"
PROGRAM = ROOT / "target" / "release" / "pynenc-instructions"
TOLERANCE = 0.10
WIDER = {"engine": 0.15}
"""This verb reads the real time to decide how far it runs ahead."""

ATTEMPTS = 4
"""How often to measure before a verb is found to be dearer."""

# Each program with the programs whose work it repeats and whose instructions are subtracted.
VERBS = {"submit": None, "claim": "submit", "settle": "claim", "engine": "submit", "wait": "settle", "one_by_one": None}
FEW, MANY = 1_000, 3_000


def collected(verb: str, tasks: int) -> int:
    """Return the instructions of one run."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(PROGRAM), verb, str(tasks)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or found is None:
        raise SystemExit(f"callgrind failed for {verb}: {done.stderr.strip().splitlines()[-1:]}")
    return int(found[1])


def measure() -> dict[str, int]:
    """Instructions per task of each verb."""
    with ThreadPoolExecutor(2) as pool:
        runs = {(verb, tasks): pool.submit(collected, verb, tasks) for verb in VERBS for tasks in (FEW, MANY)}
    # The difference of two runs removes the fixed cost of the program, which both include.
    whole = {verb: (runs[verb, MANY].result() - runs[verb, FEW].result()) / (MANY - FEW) for verb in VERBS}
    return {verb: round(whole[verb] - (whole[before] if before else 0)) for verb, before in VERBS.items()}


def judge(recorded: dict[str, int], found: dict[str, int]) -> list[str]:
    """Return the fault in words, or None."""
    problems = []
    for verb, now in found.items():
        before, tolerance = recorded.get(verb), WIDER.get(verb, TOLERANCE)
        if before is None:
            problems.append(f"{verb}: {now} instructions per task, and none recorded")
        elif abs(now / before - 1) > tolerance:
            problems.append(
                f"{verb}: {now} instructions per task, {now / before - 1:+.0%} against the {before} recorded"
            )
    return problems


def main() -> int:
    """0 if all is within the tolerance, or was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="record what is found")
    write = parser.parse_args().write
    build = ["cargo", "build", "--release", "--locked", "--quiet", "--package", "pynenc-instructions"]
    subprocess.run(build, cwd=ROOT, check=True)
    recorded = {} if write else json.loads(RECORD.read_text())["instructions_per_task"]
    found = measure()
    for _ in range(ATTEMPTS - 1):
        if write or not judge(recorded, found):
            break
        # The clock can only add instructions, so the minimum of several runs is closest to the truth.
        found = {verb: min(count, found[verb]) for verb, count in measure().items()}
    if write:
        rustc = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.strip()
        RECORD.write_text(json.dumps({"rustc": rustc, "instructions_per_task": found}, indent=1) + "\n")
        print(f"recorded {found}")
        return 0
    print("instructions per task:", ", ".join(f"{verb} {count}" for verb, count in found.items()))
    problems = judge(recorded, found)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    if problems:
        print("If that is intended: make instructions WRITE=1, and say why in the commit.", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
