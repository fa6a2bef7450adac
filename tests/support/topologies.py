"""Several Redis servers, or a server with access control: Cluster, Sentinel, TLS, users."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.secrecy import SENTINEL
from support.servers import RedisServer, ServerError, free_port, server_folder
from support.waiting import wait_until

from pynenc.cli.redis_acl import rules_of, user_of

SERVICE = "main"
PASSWORD = SENTINEL

NODE_TIMEOUT_SEC = 1.0
_SLOTS = [(0, 5460), (5461, 10922), (10923, 16383)]


def role_of(server: RedisServer) -> str:
    """`master`, `slave`, or nothing if it does not answer."""
    try:
        return str(server.ask("ROLE", timeout=2.0)[0], "ascii")
    except (OSError, ServerError):
        return ""


class Cluster:
    """Three primaries, each with a replica."""

    def __init__(self, folder: Path) -> None:
        timeout = str(int(NODE_TIMEOUT_SEC * 1000))
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", timeout, "--repl-diskless-sync-delay", "0")
        self.nodes: list[RedisServer] = []
        self._elections: dict[int, float] = {}
        try:
            for number in range(6):
                port = free_port()
                own = ("--cluster-config-file", f"nodes-{number}", "--dbfilename", f"dump-{number}.rdb")
                self.nodes.append(RedisServer(folder, *options, *own, port=port))
            self._join()
        except BaseException:
            self.end()
            raise

    def _join(self) -> None:
        primaries, replicas = self.nodes[:3], self.nodes[3:]
        for number, (node, (first, last)) in enumerate(zip(primaries, _SLOTS, strict=True)):
            node.ask("CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for node in self.nodes[1:]:
            node.ask("CLUSTER", "MEET", "127.0.0.1", str(self.nodes[0].port))
        self.await_agreement()
        for primary, replica in zip(primaries, replicas, strict=True):
            replica.ask("CLUSTER", "REPLICATE", primary.ask("CLUSTER", "MYID"))
        wait_until(lambda: all(_follows(replica) for replica in replicas), "the replicas follow")

    def await_agreement(self) -> None:
        """Block until all nodes know each other and serve all slots."""

        def agree() -> bool:
            infos = [_info(node, "CLUSTER", "INFO") for node in self.nodes]
            return all("cluster_state:ok" in info and "cluster_known_nodes:6" in info for info in infos)

        wait_until(agree, "the nodes of the Cluster agree")

    def await_same_view(self) -> None:
        """Block until all nodes agree on the owners of slots, like an operator's tool between two changes."""

        def view(node: RedisServer) -> tuple[Any, ...]:
            lines = (line.split() for line in _info(node, "CLUSTER", "NODES").splitlines())
            # Id, role, primary, epoch (two changes at one epoch are a draw, which either may win), settled slots.
            return tuple(
                sorted(
                    (
                        line[0],
                        "master" in line[2],
                        line[3],
                        line[6],
                        *(each for each in line[8:] if not each.startswith("[")),
                    )
                    for line in lines
                )
            )

        def same() -> bool:
            views = {view(node) for node in self.nodes}
            primaries = {line[0] for line in next(iter(views)) if line[1]}
            epochs = {
                _info(node, "CLUSTER", "INFO").partition("cluster_current_epoch:")[2][:9].split()[0]
                for node in self.nodes
            }
            return len(views) == len(epochs) == 1 and primaries == {
                str(each.ask("CLUSTER", "MYID"), "ascii") for each in self.primaries()
            }

        wait_until(same, "all nodes say the same", 60)

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def primaries(self) -> list[RedisServer]:
        """Return the current primaries."""
        return [node for node in self.nodes if role_of(node) == "master"]

    def holder_of(self, slot: int) -> RedisServer:
        """Return the primary that serves a slot, according to the nodes."""

        def look() -> RedisServer | None:
            for node in self.nodes:
                for first, last, primary, *_ in node.ask("CLUSTER", "SLOTS"):
                    if first <= slot <= last:
                        found = next(each for each in self.nodes if each.port == primary[1])
                        if role_of(found) == "master":
                            return found
            return None

        found = wait_until(look, f"a holder of slot {slot}")
        assert found is not None
        return found

    def move_slot(self, key: str) -> None:
        """Move the slot of `key` to another primary, a few keys at a time, as an operator's tool does."""
        slot = self.nodes[0].ask("CLUSTER", "KEYSLOT", key)
        source = self.holder_of(slot)
        target = next(node for node in self.primaries() if node is not source)
        source_id, target_id = source.ask("CLUSTER", "MYID"), target.ask("CLUSTER", "MYID")
        target.ask("CLUSTER", "SETSLOT", str(slot), "IMPORTING", source_id)
        source.ask("CLUSTER", "SETSLOT", str(slot), "MIGRATING", target_id)
        while keys := source.ask("CLUSTER", "GETKEYSINSLOT", str(slot), "20"):
            source.ask("MIGRATE", "127.0.0.1", str(target.port), "", "0", "5000", "KEYS", *keys)
        for node in (target, source, *(each for each in self.primaries() if each not in (target, source))):
            node.ask("CLUSTER", "SETSLOT", str(slot), "NODE", target_id)
        self.await_same_view()

    def fail_over(self, primary: RedisServer) -> None:
        """Let a replica of this primary take its place, without losing a write."""
        own = primary.ask("CLUSTER", "MYID").decode()
        replica = wait_until(lambda: self._replica_of(own), "a replica of the primary")

        # A node that asks again within four node timeouts counts the votes of its last election. Without a new epoch
        # this is no failover but a draw, which loses the writes that the loser had accepted.
        asked_at = self._elections.get(replica.port, 0.0)
        wait_until(lambda: time.monotonic() > asked_at + 5 * NODE_TIMEOUT_SEC, "the last election is over")

        def promoted() -> bool:
            if role_of(replica) == "master":
                return True
            # It gives up after five seconds; on a busy machine it takes several.
            if time.monotonic() > self._elections.get(replica.port, 0.0) + 6:
                replica.command("CLUSTER", "FAILOVER")
                self._elections[replica.port] = time.monotonic()
            return False

        if asked_at:
            self._elections.pop(replica.port)
        wait_until(promoted, "the replica takes over", 60)
        wait_until(lambda: role_of(primary) == "slave" and _follows(primary), "the old primary follows")
        self.await_same_view()

    def _replica_of(self, primary_id: str) -> RedisServer | None:
        for line in _info(self.nodes[0], "CLUSTER", "NODES").splitlines():
            _, address, flags, primary, *_ = line.split()
            if "slave" in flags and primary == primary_id:
                port = int(address.partition("@")[0].rpartition(":")[2])
                found = next(node for node in self.nodes if node.port == port)
                return found if _follows(found) else None
        return None

    def end(self) -> None:
        for node in self.nodes:
            node.kill()


def _info(server: RedisServer, *words: str) -> str:
    try:
        return str(server.ask(*words, timeout=2.0), "utf-8")
    except (OSError, ServerError):
        return ""


def _follows(replica: RedisServer) -> bool:
    return "master_link_status:up" in _info(replica, "INFO", "replication")


class SentinelGroup:
    """One primary, two replicas, three sentinels."""

    def __init__(self, folder: Path) -> None:
        self.servers: list[RedisServer] = []
        self.sentinels: list[RedisServer] = []
        try:
            self.servers.append(RedisServer(folder, *self._own(folder)))
            port = str(self.servers[0].port)
            for _ in range(2):
                options = ("--replicaof", "127.0.0.1", port, "--repl-diskless-sync-delay", "0")
                self.servers.append(RedisServer(folder, *self._own(folder), *options))
            configuration = (
                f"sentinel monitor {SERVICE} 127.0.0.1 {port} 2\n"
                f"sentinel down-after-milliseconds {SERVICE} 1000\n"
                f"sentinel failover-timeout {SERVICE} 3000\n"
            )
            self.sentinels += [RedisServer(folder, sentinel=configuration) for _ in range(3)]
            self.await_complete()
        except BaseException:
            self.end()
            raise

    def _own(self, folder: Path) -> tuple[str, ...]:
        number = len(self.servers)
        return ("--dbfilename", f"dump-{number}.rdb")

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{places}/{SERVICE}"

    def primary(self) -> RedisServer:
        """Return the primary that the sentinels name."""
        port = int(self.sentinels[-1].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])
        return next(server for server in self.servers if server.port == port)

    def await_complete(self) -> None:
        """Block until two replicas follow the primary, and all sentinels know all of it."""

        def complete() -> bool:
            primary = self.primary()
            return (
                _info(primary, "INFO", "replication").count("state=online") == 2
                and all("slaves=2,sentinels=3" in _info(each, "INFO", "sentinel") for each in self.sentinels)
                and all("status=ok" in _info(each, "INFO", "sentinel") for each in self.sentinels)
            )

        wait_until(complete, "the replicas follow and the sentinels know each other", 60)

    def await_another_primary(self, old: RedisServer) -> RedisServer:
        """Block until the sentinels name another primary than `old`; return it."""
        wait_until(lambda: self.primary() is not old and role_of(self.primary()) == "master", "another primary", 60)
        return self.primary()

    def end(self) -> None:
        for server in (*self.sentinels, *self.servers):
            server.kill()


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A Cluster for this block."""
    with server_folder() as folder:
        made = Cluster(folder)
        try:
            yield made
        finally:
            made.end()


@contextmanager
def sentinels() -> Iterator[SentinelGroup]:
    """A primary with replicas and sentinels for this block."""
    with server_folder() as folder:
        made = SentinelGroup(folder)
        try:
            yield made
        finally:
            made.end()


@dataclass(frozen=True)
class TlsServer:
    """A server that speaks only TLS, to clients with a certificate of its CA."""

    server: RedisServer
    port: int
    ca_cert: Path
    client_cert: Path
    client_key: Path

    @property
    def url(self) -> str:
        parameters = f"ca_cert={self.ca_cert}&client_cert={self.client_cert}&client_key={self.client_key}"
        return f"rediss://127.0.0.1:{self.port}/0?{parameters}"


def _openssl(folder: Path, arguments: str) -> None:
    subprocess.run(["openssl", *arguments.split()], cwd=folder, check=True, capture_output=True, timeout=60)


@contextmanager
def tls_server() -> Iterator[TlsServer]:
    """A CA, and a server and a client with certificates of it, for this block."""
    with server_folder() as folder:
        (folder / "san").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost")
        _openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca")
        for name in ("server", "client"):
            _openssl(folder, f"req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}")
            signing = f"-CA ca.pem -CAkey ca.key -CAcreateserial -out {name}.pem -days 2 -extfile san"
            _openssl(folder, f"x509 -req -in {name}.csr {signing}")
        port = free_port()
        files = {name: str(folder / name) for name in ("server.pem", "server.key", "ca.pem")}
        options = (
            *("--tls-port", str(port), "--tls-cert-file", files["server.pem"]),
            *("--tls-key-file", files["server.key"], "--tls-ca-cert-file", files["ca.pem"]),
        )
        server = RedisServer(folder, *options)
        try:
            yield TlsServer(server, port, folder / "ca.pem", folder / "client.pem", folder / "client.key")
        finally:
            server.kill()


def add_users(server: RedisServer, app_id: str) -> None:
    """The users that `pynenc redis acl` creates for one app; the default user may only list users."""
    for role in ("producer", "worker", "monitor", "admin"):
        server.ask("ACL", "SETUSER", user_of(role, app_id), *rules_of(role, app_id, password=PASSWORD))
    server.ask("ACL", "SETUSER", "default", "-@all", "+acl", "+ping", "+hello")


def denials_of(server: RedisServer, app_id: str) -> list[Any]:
    """Return the refused commands of the app's users."""
    return [entry for entry in server.ask("ACL", "LOG") if app_id.encode() in b" ".join(_flat(entry))]


def _flat(entry: list[Any]) -> list[bytes]:
    return [part for part in entry if isinstance(part, bytes)]
