"""The matrix leaves nothing out."""

from __future__ import annotations

from support.worlds import RUNNERS, STORES, combinations


def test_every_runner_is_combined_with_every_store_that_it_can_use() -> None:
    combined = {tuple(kind.name for kind in one.values[0]) for one in combinations()}
    wanted = {(store.name, kind.name) for store in STORES for kind in RUNNERS if store.shared or kind.in_process}
    assert wanted <= combined
    assert len(wanted) == 2 + 6 + 6
