"""Judge the bars of bars.toml by the measured ratios."""

from __future__ import annotations

import statistics
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("bars.toml")


@dataclass(frozen=True)
class Verdict:
    """The verdict on one bar."""

    text: str
    wanted: str
    measured: str
    met: bool | None
    """None: something that it needs has not been measured."""
    reason: str


class Measured:
    """Finds the values that bars name in the documents of the comparison and of the suites."""

    def __init__(self, peers: dict[str, Any], suites: dict[str, Any]) -> None:
        self._peers = peers.get("peers", {})
        self._limits = {name: row["value"] for name, row in peers.get("limits", {}).items()}
        for name in ("ping", "commit"):
            if name in self._limits:
                self._limits[f"{name}_ms"] = 1e3 / self._limits[name]
        self._suites = suites.get("values", {})

    def value(self, name: str | float) -> float | None:
        """A value by its name; None if it has not been measured."""
        if not isinstance(name, str):
            return float(name)
        kind, _, rest = name.partition(".")
        if kind == "limits":
            return self._limits.get(rest)
        if kind == "suite":
            row = self._suites.get(rest)
            return None if row is None else row["value"]
        store, _, measure = rest.partition(".")
        if kind == "best":
            best = self.best(store, measure)
            return None if best is None else best[1]
        medians = [
            row["median"]
            for pair in self._peers.values()
            if pair["store"] == store and (row := pair["ours"].get(measure)) and row["median"] is not None
        ]
        return statistics.median(medians) if medians else None

    def best(self, store: str, measure: str) -> tuple[str, float] | None:
        """The peer that is best at something on a store, and its value."""
        found = {
            name: (row["median"], row["unit"])
            for name, pair in self._peers.items()
            if pair["store"] == store and (row := pair["theirs"].get(measure)) and row["median"] is not None
        }
        if not found:
            return None
        more_is_better = next(iter(found.values()))[1].endswith("/s")
        name = (max if more_is_better else min)(found, key=lambda peer: found[peer][0])
        return name, found[name][0]

    def paired(self, store: str, measure: str) -> dict[str, Any] | None:
        """The ratio of ours to the best peer's, paired by rounds."""
        best = self.best(store, measure)
        ratios = None if best is None else self._peers[best[0]]["ratios"].get(measure)
        return ratios if ratios is None else {**ratios, "title": self._peers[best[0]]["title"]}  # type: ignore[index]


def judge(bar: dict[str, Any], measured: Measured) -> Verdict:
    """One bar."""
    sign = {">=": "≥", "<=": "≤"}[bar["op"]]
    plus = bar.get("plus", 0.0)
    wanted = _wanted(bar, sign)
    left, right = measured.value(bar["left"]), measured.value(bar["right"])
    paired = None
    if str(bar["right"]).startswith("best."):
        _, store, measure = bar["right"].split(".")
        paired = measured.paired(store, measure)
    if left is None or not right:
        return Verdict(bar["text"], wanted, "not measured", None, bar.get("reason", ""))
    ratio = paired["median"] if paired else (left - plus) / right
    met = ratio >= bar["times"] if bar["op"] == ">=" else ratio <= bar["times"]
    return Verdict(bar["text"], wanted, _shown(bar, left, ratio, paired), met, bar.get("reason", ""))


def _wanted(bar: dict[str, Any], sign: str) -> str:
    right = bar["right"]
    if not isinstance(right, str):
        return f"{sign} {right * bar['times']:g}"
    plus = f" + {bar['plus']:g}" if "plus" in bar else ""
    return f"{sign} {bar['times']:g} x{plus}"


def _shown(bar: dict[str, Any], left: float, ratio: float, paired: dict[str, Any] | None) -> str:
    if paired is not None:
        return f"{ratio:.3g} x ({paired['low']:.3g}-{paired['high']:.3g}) {paired['title']}"
    if isinstance(bar["right"], str):
        return f"{ratio:.3g} x"
    return f"{left:.3g}"


def verdicts(peers: dict[str, Any], suites: dict[str, Any]) -> list[Verdict]:
    """All bars, in the order of the file."""
    measured = Measured(peers, suites)
    return [judge(bar, measured) for bar in tomllib.loads(FILE.read_text())["bar"]]
