"""Bits that change between a process and Redis: no wrong result arrives, and most of it is read again."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from support.flip_proxy import FlipProxy
from support.processes import Processes
from support.servers import redis_server
from support.worlds import StoreKind, load_jobs, set_environment

CALLS, EVERY, SEED = 150, 40, 4895


def test_no_result_is_wrong_though_bits_flip_on_their_way(
    processes: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    with redis_server() as server, FlipProxy(server.port, EVERY, SEED) as proxy:
        set_environment(monkeypatch, tmp_path, StoreKind("redis", lambda folder: proxy.url, shared=True))
        jobs = load_jobs()
        processes.started_runner(PYNENC__RUNNER_CLS="ThreadRunner")
        # In the record, with the notification, and apart from both.
        texts = [f"{number}:" + "m" * length for number in range(CALLS) for length in (70, 1_000, 3_000, 20_000)]
        calls = [(text, jobs.payloads.of_str(text)) for text in texts]
        ends: Counter[str] = Counter()
        for text, call in calls:
            ends[_end(call, text)] += 1
        assert set(ends) == {"right", "noticed"}, ends
        assert proxy.flipped >= len(calls) / EVERY
        # A payload that reached the server damaged is lost for every reader; one that was damaged on the way back was
        # read again.
        assert ends["noticed"] < proxy.flipped


def _end(call: Any, text: str) -> str:
    try:
        return "right" if call.get_result(timeout=30) == text else "wrong"
    except Exception as error:
        return "noticed" if "unreadable" in str(error) else repr(error)
