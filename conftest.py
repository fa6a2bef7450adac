"""`pytest --benchmark` collects the benchmarks too, a plain `pytest` leaves them out; `--alone` halves the suite."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--benchmark", action="store_true", help="also collect benches/ (add --benchmark-only for them alone)"
    )
    parser.addoption("--alone", choices=["only", "without"], help="only the tests marked `alone`, or all the others")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--benchmark") and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args.append(str(config.rootpath / "benches"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    choice = config.getoption("--alone")
    if choice is None:
        return
    chosen = [item for item in items if (item.get_closest_marker("alone") is not None) == (choice == "only")]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(chosen)])
    items[:] = chosen
