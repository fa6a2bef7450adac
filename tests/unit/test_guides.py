"""The guides are true: every block of Python runs, and prints the output in the guide."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from support.guides import GUIDES, Guide, run_python
from support.processes import Processes

WITH_A_RUNNER = {
    "tasks-and-invocations.md": "shop",
    "coming-from-celery.md": "tasks",
    "coming-from-pynenc.md": "tasks",
    "getting-started.md": "tasks",
    "../index.md": "tasks",
}
"""Guides whose programs need a runner, and its app."""

WITH_TESTS = ["test-your-app.md"]
"""Guides whose code is tests."""


A_PATTERN = {"write-a-runner.md"}
"""The block of this guide is a pattern for the reader's runner; tests/runners/test_conformance.py follows it."""

ELSEWHERE = {
    "benchmark-your-runner.md": ("testing/test_guide.py", "run_pytest(folder"),
    "configuration.md": ("test_docs_configuration.py", '.write_text(_block("python"))'),
    "signing-and-encryption.md": ("test_docs_signing.py", "subprocess.run("),
    "what-may-be-passed.md": ("test_docs_passing.py", "run_python("),
}
"""Guides whose code other test files run: the file, and how it does so."""

CHECKED = {
    "asyncio.md": """
        import asyncio
        import httpx
        from api import api
        from pynenc.runner import ThreadRunner
        from pynenc.testing import isolated
        from pynenc.testing.plugin import running
        from tasks import app, invoice

        async def ask(path, json=None):
            transport = httpx.ASGITransport(app=api)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as client:
                method = "GET" if path.endswith("price") else "POST"
                return (await client.request(method, path, json=json)).json()

        with isolated(app) as test:
            made = asyncio.run(ask("/orders/7/invoice"))
            assert made == str(test.assert_submitted(invoice, 7).invocation_id)
            with running(ThreadRunner(app)):
                assert asyncio.run(ask("/orders/4/price")) == 6.0
                assert sorted(asyncio.run(ask("/prices", [2, 4]))) == [3.0, 6.0]
    """,
    "runners.md": """
        import random
        from pynenc.runner import ThreadRunner
        from pynenc.testing import isolated
        from pynenc.testing.plugin import running
        import shop

        first = random.Random(7).random()
        with isolated(shop.app), running(ThreadRunner(shop.app)):
            assert shop.rng.random() != first
    """,
    "operate.md": """
        from pynenc.runner import ThreadRunner
        from pynenc.testing import isolated
        from pynenc.testing.plugin import running
        import ops
        from shop import app, charge, send_receipt

        with isolated(app) as test:
            failed, mail = charge(-1), send_receipt("kim@example.org", "payment-1")
            assert ops.gauges() == {"waiting in default": 1, "waiting in mail": 1, "running": 0}
            mail.cancel()
            test.drain()
            assert ops.gauges() == {"waiting in default": 0, "waiting in mail": 0, "running": 0}
            assert list(ops.failures()) == [(failed.invocation_id, "shop.charge", "ValueError('no such order')")]
            unknown = app.tasks.pop(charge.task_id)
            [(_, task_id, reason)] = ops.failures()
            assert task_id == "shop.charge" and reason.startswith("cannot be read here: "), reason
            app.tasks[charge.task_id] = unknown
            story = [line.split(" ")[1] for line in ops.story(failed.invocation_id)]
            assert story == ["registered", "pending", "running", "failed"]
            again = ops.submit_again(failed.invocation_id)
            assert test.submitted(charge) == [failed, app.state_backend.get_invocation(again)]
            assert ops.store_answers()
            assert ops.runners() == []
            with running(ThreadRunner(app)):
                [runner] = ops.runners()
                assert runner.startswith("ThreadRunner(") and runner.endswith("): all queues"), runner
        with isolated(app) as test:
            charge(2)
            # Its process dies, in which nothing else ran.
            [claim] = app._runtime.store.claim("runner#1", 1, begin=True)
            app._runtime.store.revoke("runner#1", "killed by SIGKILL", 0)
            [(_, task_id, reason)] = ops.failures()
            assert task_id == "shop.charge" and "given up: " in reason and "SIGKILL" in reason, reason
        # Closed, as a store that is away.
        with isolated(app) as test:
            app._runtime.store.close()
            assert not ops.store_answers()
            app._runtime.opened.forget()
    """,
}
"""Guides whose code is functions, and a program that uses them."""


@pytest.mark.parametrize("name", [*WITH_A_RUNNER, *WITH_TESTS, *CHECKED])
def test_every_block_of_python_of_a_guide_names_its_file(name: str) -> None:
    guide = Guide(name)
    assert guide.files
    assert guide.unnamed == []


def test_the_code_of_every_guide_is_run_by_a_test() -> None:
    with_code = {path.name for path in GUIDES.glob("*.md") if "```python" in path.read_text()}
    run_here = {*WITH_A_RUNNER, *WITH_TESTS, *CHECKED}
    assert with_code - run_here - A_PATTERN == set(ELSEWHERE)
    for name, (test, runs) in ELSEWHERE.items():
        source = (Path(__file__).parent / test).read_text()
        assert f'"{name}"' in source, test
        assert runs in source, test


@pytest.mark.parametrize("name", WITH_A_RUNNER)
def test_the_programs_of_a_guide_print_what_it_shows(
    name: str, tmp_path: Path, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = Guide(name)
    folder = tmp_path / "reader"
    folder.mkdir()
    guide.write(folder)
    # Relative, so that all programs of the folder share the file, as the reader's do.
    monkeypatch.chdir(folder)
    processes.started_runner(WITH_A_RUNNER[name], PYNENC__RUNNER_CLS="ThreadRunner")
    assert guide.prints
    for program, shown in guide.prints.items():
        done = run_python(folder, program)
        assert done.returncode == 0, f"{program}: {done.stderr}\n{processes.logs()}"
        assert _without_trailing_spaces(done.stdout) == _without_trailing_spaces(shown), program


@pytest.mark.parametrize("name", WITH_TESTS)
def test_the_tests_of_a_guide_pass_and_their_types_are_right(name: str, tmp_path: Path) -> None:
    Guide(name).write(tmp_path)
    done = run_python(tmp_path, "-m", "pytest", "-q", "-ra")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
    done = run_python(tmp_path, "-m", "mypy", "--strict", ".")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", CHECKED)
def test_the_functions_of_a_guide_do_what_it_says(name: str, tmp_path: Path) -> None:
    Guide(name).write(tmp_path)
    done = run_python(tmp_path, "-c", textwrap.dedent(CHECKED[name]))
    assert done.returncode == 0, done.stderr


def _without_trailing_spaces(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]
