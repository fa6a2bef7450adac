"""One app over every way to reach Redis: those outside the matrix run here, with a separate runner."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.processes import Processes
from support.servers import redis_server
from support.topologies import PASSWORD, add_users, denials_of, sentinels, tls_server
from support.worlds import StoreKind, load_jobs, set_environment, shared_redis_with_users

from pynenc import Pynenc
from pynenc.cli.redis_acl import user_of


@pytest.fixture(scope="module")
def sentinel_url() -> Iterator[str]:
    with sentinels() as group:
        yield group.url


@pytest.fixture(scope="module")
def tls_url() -> Iterator[str]:
    with tls_server() as server:
        yield server.url


@pytest.mark.parametrize("way", ["sentinel_url", "tls_url"])
def test_work_goes_through(
    way: str, request: pytest.FixtureRequest, processes: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = request.getfixturevalue(way)
    set_environment(monkeypatch, tmp_path, StoreKind(way, lambda folder: url, shared=True))
    jobs = load_jobs()
    processes.runner()
    assert sorted(jobs.basics.add.parallelize([(n, 1) for n in range(300)]).results) == list(range(1, 301))
    assert jobs.waits.fib(7).get_result(timeout=60) == 13


def test_processes_log_in_with_the_rights_of_their_role_and_need_no_more(
    processes: Processes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = shared_redis_with_users()
    set_environment(monkeypatch, tmp_path, StoreKind("redis-acl", lambda folder: server.url, shared=True))
    app_id = os.environ["PYNENC__APP_ID"]
    add_users(server, app_id)
    monkeypatch.setenv("PYNENC__REDIS_PASSWORD", PASSWORD)
    runner = processes.started_runner(PYNENC__REDIS_USERNAME=user_of("worker", app_id))
    client = processes.python(
        "-m", "support.programs.submitter", "client", "500", PYNENC__REDIS_USERNAME=user_of("producer", app_id)
    )
    assert client.wait() == 0, client.output()
    monkeypatch.setenv("PYNENC__REDIS_USERNAME", user_of("monitor", app_id))
    assert load_jobs().app.orchestrator.count_invocations(statuses=["success"]) == 500
    assert PASSWORD not in runner.output() + client.output()
    assert denials_of(server, app_id) == []


def test_a_server_on_the_network_that_lets_everybody_in_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with redis_server() as server:

        def logged(url: str) -> str:
            Pynenc._clear_instances()
            set_environment(monkeypatch, tmp_path, StoreKind("redis", lambda folder: url, shared=True))
            assert load_jobs().app.orchestrator.count_invocations() == 0
            return capsys.readouterr().err

        warning = 'lets the user "default" in without a password'
        # A name that the system resolves to the test's server, and that does not look like a loopback address.
        network = f"127.1:{server.port}"
        assert warning in logged(f"redis://{network}")
        assert warning in logged(f"redis://default:anything@{network}")
        assert warning not in logged(server.url)
        server.ask("ACL", "SETUSER", "default", "resetpass", ">" + PASSWORD)
        assert warning not in logged(f"redis://:{PASSWORD}@{network}")
