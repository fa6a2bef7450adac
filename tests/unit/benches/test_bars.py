"""Bars are judged by measurements, and by nothing else."""

from __future__ import annotations

from typing import Any

import bars
import pytest


def pair(store: str, ours: dict[str, Any], theirs: dict[str, Any], title: str) -> dict[str, Any]:
    def rows(values: dict[str, Any]) -> dict[str, Any]:
        units = {"end_to_end": "tasks/s", "latency_p50": "ms"}
        return {name: {"median": value, "unit": units[name]} for name, value in values.items()}

    ratios = {
        name: {"median": ours[name] / theirs[name], "low": 1.0, "high": 99.0, "repetitions": 2}
        for name in ours
        if theirs.get(name)
    }
    return {"store": store, "title": title, "ours": rows(ours), "theirs": rows(theirs), "ratios": ratios}


PEERS = {
    "limits": {"ping": {"value": 20_000.0, "unit": "1/s", "what": ""}},
    "peers": {
        "slow": pair(
            "redis", {"end_to_end": 900.0, "latency_p50": 1.0}, {"end_to_end": 100.0, "latency_p50": 4.0}, "Slow"
        ),
        "fast": pair(
            "redis", {"end_to_end": 1100.0, "latency_p50": 1.0}, {"end_to_end": 300.0, "latency_p50": 9.0}, "Fast"
        ),
        "dead": pair(
            "redis", {"end_to_end": 1000.0, "latency_p50": 1.0}, {"end_to_end": None, "latency_p50": None}, "Dead"
        ),
    },
}


@pytest.fixture
def measured() -> bars.Measured:
    return bars.Measured(PEERS, {"values": {"shards_1": {"value": 10.0}, "shards_4": {"value": 12.0}}})


def bar(left: str, right: str | float, op: str, times: float, **more: Any) -> dict[str, Any]:
    return {"text": "a bar", "left": left, "right": right, "op": op, "times": times, **more}


def test_the_best_peer_has_the_highest_rate_or_the_lowest_time(measured: bars.Measured) -> None:
    assert measured.best("redis", "end_to_end") == ("fast", 300.0)
    assert measured.best("redis", "latency_p50") == ("slow", 4.0)
    assert measured.best("sqlite", "end_to_end") is None


def test_the_ratio_to_a_peer_is_the_one_paired_with_it(measured: bars.Measured) -> None:
    verdict = bars.judge(bar("ours.redis.end_to_end", "best.redis.end_to_end", ">=", 3.5), measured)
    assert verdict.met
    assert verdict.measured == "3.67 x (1-99) Fast"
    assert not bars.judge(bar("ours.redis.end_to_end", "best.redis.end_to_end", ">=", 3.7), measured).met


def test_a_limit_of_the_machine_can_be_the_yardstick(measured: bars.Measured) -> None:
    # A round trip takes 0.05 ms: 1 ms is 20 of them.
    assert bars.judge(bar("ours.redis.latency_p50", "limits.ping_ms", "<=", 20), measured).met
    assert not bars.judge(bar("ours.redis.latency_p50", "limits.ping_ms", "<=", 19), measured).met
    assert bars.judge(bar("ours.redis.latency_p50", "limits.ping_ms", "<=", 10, plus=0.5), measured).met


def test_values_of_the_suites_can_be_compared(measured: bars.Measured) -> None:
    verdict = bars.judge(bar("suite.shards_4", "suite.shards_1", "<=", 1.1, reason="why"), measured)
    assert verdict.met is False
    assert verdict.reason == "why"


def test_a_bar_without_a_measurement_is_neither_met_nor_missed(measured: bars.Measured) -> None:
    for left, right in (
        ("ours.sqlite.end_to_end", 1.0),
        ("suite.nothing", 1.0),
        ("ours.redis.end_to_end", "limits.no"),
    ):
        assert bars.judge(bar(left, right, ">=", 1), measured).met is None


def test_every_bar_of_the_file_can_be_judged(measured: bars.Measured) -> None:
    assert len(bars.verdicts(PEERS, {})) >= 20
