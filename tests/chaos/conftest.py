"""Long runs are longer than the deadline of a usual test, and load the machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.chaos import SIZE_VARIABLE, Campaign, size
from support.processes import Processes

DEADLINE_SEC = {"short": 120, "medium": 900, "full": 7200}


def pytest_report_header(config: pytest.Config) -> str:
    return f"size of the faults: {size()} ({SIZE_VARIABLE})"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.timeout(DEADLINE_SEC[size()]))
            item.add_marker(pytest.mark.alone)


@pytest.fixture
def campaign(
    processes: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seed: int
) -> Callable[..., Campaign]:
    """Create the campaign of a test: row of the catalogue, fault, durability level, URL, further settings."""

    def make(row: str, what: str, level: str, url: str, **settings: str) -> Campaign:
        more: dict[str, Any] = {"settings": settings}
        return Campaign(row, what, level, url, processes, monkeypatch, tmp_path, seed, **more)

    return make
