"""examples/shop: its tests pass, and with a runner process it fulfils an order. `make lint` checks its types."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.processes import Processes

SHOP = Path(__file__).resolve().parents[3] / "examples" / "shop"

CLIENT = """
from client import ask

order = {"number": 7, "email": "kim@example.org", "lines": [{"article": "tea", "quantity": 2}]}
path = f"/orders/{ask('POST', '/orders', order).json()['id']}"
print("quote", ask("POST", "/quotes", order["lines"]).json())
from shop.tasks import app, fulfil
app.state_backend.get_invocation(path.rpartition("/")[2]).get_result(timeout=60)
print("order", ask("GET", path).json())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example, far from this repository and its settings."""
    return Path(shutil.copytree(SHOP, tmp_path / "shop", ignore=shutil.ignore_patterns(".*", "__pycache__")))


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a module of this interpreter there, with nothing of this repository on the path."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYNENC__"))}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def test_the_tests_of_the_shop_pass_on_every_store(folder: Path) -> None:
    done = run(folder, "pytest", "-q", "-ra")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_a_runner_process_fulfils_an_order(
    folder: Path, processes: Processes, pynenc_store_url: Callable[[str], str], kind: str
) -> None:
    environment = {
        "PYTHONPATH": os.pathsep.join([str(folder), str(folder / "tests")]),
        "PYNENC__STORE_URL": pynenc_store_url(kind),
    }
    processes.started_runner("shop.tasks", PYNENC__RUNNER_CLS="ThreadRunner", **environment)
    client = processes.python("-c", CLIENT, **environment)
    assert client.wait() == 0, processes.logs()
    assert "quote 9.00" in client.output()
    assert "order {'status': 'success', 'receipt': {'order': 7, 'total': '9.00'" in client.output()
