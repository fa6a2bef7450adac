"""The kit: the collected benchmarks, the guards, and a plain pytest run without benchmarks."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from benchkit import collect
from benchkit.stats import paired_ratio
from peers import venvs

ROOT = Path(__file__).resolve().parents[3]


def instructions() -> object:
    spec = importlib.util.spec_from_file_location("instructions", ROOT / "scripts" / "instructions.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def collected(*options: str) -> str:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


@pytest.mark.timeout(240)
def test_pytest_collects_the_benchmarks_only_when_asked() -> None:
    assert "benches/suites" not in collected("-k", "test_enqueue_bulk")
    assert "benches/suites/test_whole.py" in collected("--benchmark", "-k", "test_enqueue_bulk")


def test_ratios_are_taken_round_by_round() -> None:
    # The second round was disturbed for both.
    assert paired_ratio([100.0, 50.0], [10.0, 5.0])["median"] == 10.0


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("test_submit_one[redis]", "submit_one_redis"),
        ("test_growth_drain[redis-10000]", "growth_drain_10000"),
        ("test_shards[redis-4]", "shards_4"),
        ("test_wheel_mb", "wheel_mb"),
    ],
)
def test_benchmarks_have_short_names(name: str, short: str) -> None:
    assert collect.short_name(name) == short


def test_a_rate_is_made_of_the_time_of_a_round() -> None:
    stats = {"median": 0.5, "q1": 0.4, "q3": 1.0, "rounds": 3}
    row = {"name": "x", "stats": stats, "extra_info": {"unit": "tasks/s", "question": "?", "per_round": 100}}
    assert collect.value_of(row) == {
        "value": 200.0, "unit": "tasks/s", "question": "?", "spread": "100-250", "repetitions": 3
    }  # fmt: skip


def test_more_and_far_fewer_instructions_than_recorded_are_found() -> None:
    judge = instructions().judge  # type: ignore[attr-defined]
    assert judge({"submit": 1000, "claim": 1000}, {"submit": 1090, "claim": 910}) == []
    assert len(judge({"submit": 1000, "claim": 1000}, {"submit": 1110, "claim": 880})) == 2
    assert judge({}, {"submit": 1}) == ["submit: 1 instructions per task, and none recorded"]


def test_every_peer_has_an_adapter_and_a_pinned_version() -> None:
    for name, peer in venvs.peers().items():
        assert (venvs.HERE / "systems" / f"{peer.system or name}.py").exists()
        assert "==" in peer.requirements[0]
        assert peer.settings
