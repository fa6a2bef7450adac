"""`pytest --benchmark` collects the benchmarks too; a plain `pytest` leaves them out."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--benchmark", action="store_true", help="also collect benches/ (add --benchmark-only for them alone)"
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--benchmark") and config.args_source is not pytest.Config.ArgsSource.ARGS:
        config.args.append(str(config.rootpath / "benches"))
