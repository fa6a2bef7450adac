"""The complete boundary to Rust.

Python calls Rust; Rust never calls back. Payloads are opaque bytes, ids are text, times are seconds as `float`. Every
method that can block releases the GIL. Every handle raises `RuntimeError` in a forked child. Errors of stores are classes
of `pynenc.exceptions`. Arguments of the wrong shape raise `ValueError` or `OverflowError`.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias, final

__version__: Final[str]
SQLITE_VERSION: Final[str]
TARGETS_TOLD: Final[int]
"""How many targets of one wait the store learns of, for precedence and the detection of cycles."""

Terminal: TypeAlias = tuple[str, str, bytes | None, str | None]
"""`(invocation id, final status, payload or None, reason or None)`.

The payload is the encoded value (`success`) or the encoded exception (`failed`). It is None if the engine ended the
invocation; then there is a reason."""

Call: TypeAlias = tuple[bytes, str, str | None, str | None]
"""`(encoded arguments, args id or "", registration key or None, running key or None)`."""

# The store's answers to a submitted call.
NEW: Final[int]
REUSED_SAME: Final[int]
REUSED_DIFFERENT: Final[int]
REFUSED: Final[int]

# The outcomes of a claim.
SUCCESS: Final[int]
FAILURE: Final[int]
RETRY: Final[int]
RELEASE: Final[int]
CANCELLED: Final[int]

# The store's answers to an outcome.
DONE: Final[int]
REPLAYED: Final[int]
STALE: Final[int]

def status_table() -> list[tuple[str, bool, bool, list[str]]]:
    """The state machine: `(name, is final, is available, successors)` for each status."""

def new_invocation_id() -> str:
    """Return a new id; ids sort by time."""

def invocation_age_sec(invocation_id: str) -> float:
    """Return the seconds since this id was made, by the clock of the process that made it. Raises `ValueError` for text that is not an id."""

def before_fork() -> None:
    """Prepare for a fork by the calling thread.

    Blocks until no thread is inside SQLite, at most half a second, and keeps other threads from entering. Call
    `after_fork_in_parent` or `after_fork_in_child` next."""

def after_fork_in_parent() -> None:
    """End the preparation in the parent, after the fork or its failure."""

def after_fork_in_child() -> None:
    """End the preparation in the child."""

def drain_logs() -> list[tuple[int, str, str]]:
    """Return what Rust has logged since the last call, oldest first: `(logging level, logger suffix, message)`."""

@final
class TaskSpec:
    """The options that all submissions of one task share. Made once per task."""

    def __new__(
        cls,
        task_id: str,
        *,
        queue: str = "default",
        priority: float = 0.0,
        running_limit: int = 1,
        wait_when_blocked: bool = False,
        refuse_different: bool = False,
        signer: Signer | None = None,
    ) -> TaskSpec:
        """Make the options of a task.

        Args:
            running_limit: how many invocations may hold one running key at a time.
            wait_when_blocked: whether a call without a free place waits for one; else the store drops it.
            signer: signs the arguments of each call, with the id of the call.
        """

# The kinds of signed payloads.
ARGUMENTS: Final[int]
RESULT: Final[int]
EXCEPTION: Final[int]

@final
class Signer:
    """Signs payloads with the newest key of an app, and opens payloads that any of its keys signed.

    It may be used in a forked child. It cannot be pickled and does not show its keys."""

    def __new__(cls, app_id: str, keys: Sequence[tuple[str, bytes]]) -> Signer:
        """Make a signer of `keys`, pairs of id and secret, newest first. Raises `ValueError` without keys, or for an invalid id."""
    @property
    def overhead(self) -> int:
        """How many bytes an envelope adds to its body."""
    def sign(self, task_id: str, invocation_id: str, kind: int, body: bytes) -> bytes:
        """Return `body` in an envelope for this task, invocation and kind (ARGUMENTS, RESULT, EXCEPTION)."""
    def open(self, task_id: str, invocation_id: str, kind: int, payload: bytes) -> bytes:
        """Return the body of an envelope. Raises `ValueError` with the reason if the envelope is refused."""

@final
class Claim:
    """One invocation, owned by the runner that claimed it until it is settled or its lease expires. Picklable."""

    def __new__(
        cls,
        invocation_id: str,
        fence: int,
        task_id: str,
        payload: bytes,
        parent_id: str | None,
        depth: int,
        queue: str,
        retries: int,
        recoveries: int,
        releases: int,
    ) -> Claim: ...
    @property
    def invocation_id(self) -> str: ...
    @property
    def fence(self) -> int: ...
    @property
    def task_id(self) -> str: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def parent_id(self) -> str | None: ...
    @property
    def depth(self) -> int: ...
    @property
    def queue(self) -> str: ...
    @property
    def retries(self) -> int: ...
    @property
    def recoveries(self) -> int: ...
    @property
    def releases(self) -> int: ...

@final
class Record:
    """The record of one invocation, without its history and outcome."""

    @property
    def invocation_id(self) -> str: ...
    @property
    def task_id(self) -> str: ...
    @property
    def queue(self) -> str: ...
    @property
    def priority(self) -> float: ...
    @property
    def payload(self) -> bytes: ...
    @property
    def args_id(self) -> str: ...
    @property
    def parent_id(self) -> str | None: ...
    @property
    def depth(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def runner(self) -> str | None: ...
    @property
    def retries(self) -> int: ...
    @property
    def recoveries(self) -> int: ...
    @property
    def releases(self) -> int: ...
    @property
    def due(self) -> float:
        """Unix time before which no runner may claim it; 0.0 means at once."""
    @property
    def note(self) -> str | None: ...

@final
class HistoryEntry:
    """One status change."""

    @property
    def status(self) -> str: ...
    @property
    def at(self) -> float:
        """Unix time."""
    @property
    def runner(self) -> str:
        """Key of the runner; empty for a client or the engine."""
    @property
    def slot(self) -> int:
        """With an outcome: the slot that ran the body."""
    @property
    def started(self) -> float:
        """With an outcome: Unix time at which the body started; else 0.0."""
    @property
    def times(self) -> int:
        """How many hand-backs in a row, for one reason, this entry stands for; 1 for every other entry."""
    @property
    def note(self) -> str: ...

@final
class Store:
    """A handle on the store of one app. Thread-safe. A forked child has to open a handle of its own."""

    @staticmethod
    def open(
        url: str,
        *,
        app_id: str = "pynenc",
        result_ttl_sec: float = 86400.0,
        durability: str = "default",
        store_timeout_sec: float = 10.0,
        lease_sec: float = 10.0,
        shards: int = 1,
        allow_eviction: bool = False,
        username: str | None = None,
        password: str | None = None,
    ) -> Store:
        """Open the store that a URL names; make it if there is none. Blocks for I/O.

        Args:
            url: `memory://` (a new store, private to the handle), `sqlite:///path`, or a URL with `redis://`, `rediss://`,
                `redis+unix://`, `redis+sentinel://` or `redis+cluster://`.
            app_id: on SQLite and Redis the handle sees only the invocations of this app.
            result_ttl_sec: seconds for which finished invocations are kept.
            store_timeout_sec: seconds for which a verb retries when its server is unreachable or its file locked.
            lease_sec: seconds that `recover` gives the runners of the app to renew their claims after a stall.
            shards: Redis only: how many parts the app has.
            allow_eviction: Redis only: whether to use a server that may evict keys.
            username: Redis only: used instead of the user name in the URL.
            password: Redis only: used instead of the password in the URL.
        Raises:
            ConfigError: the URL names no known store.
            StateBackendError: the store cannot be used; the message says why and what to do.
        """
    @staticmethod
    def open_manual(*, result_ttl_sec: float = 86400.0, lease_sec: float = 10.0) -> Store:
        """Open a store in memory for tests. Its clock starts at the time now and stands still until `advance` moves it.

        Due times, history and expiry use that clock; leases and timeouts use real time."""
    def advance(self, seconds: float) -> None:
        """Move the clock of a store from `open_manual` forward, and notify runners of what is due.

        Raises `ValueError` for any other store, or for a negative time."""
    def now(self) -> float:
        """Unix time by the clock of the store."""
    @property
    def kind(self) -> str:
        """`"memory"`, `"sqlite"` or `"redis"`."""
    @property
    def url(self) -> str:
        """The URL without its password."""
    def submit(
        self,
        spec: TaskSpec,
        calls: Sequence[Call],
        parent_id: str | None = None,
        depth: int = 0,
        delay_sec: float = 0.0,
    ) -> list[tuple[str, int]]:
        """Accept all of `calls` or, on an error, none. Durable on return.

        Larger batches are cut into pieces of 250 calls (Redis) or 2000 (SQLite), and each piece is accepted or not;
        submitting the whole batch again completes it. Returns `(id, NEW|REUSED_…|REFUSED)` for each call; except with
        NEW, the id is that of the invocation already in the queue."""
    def claim(
        self,
        runner: str,
        limit: int,
        queues: Sequence[str] = ...,
        lease_sec: float = 10.0,
        begin: bool = False,
        alone: bool = False,
    ) -> list[Claim]:
        """Claim up to `limit` due invocations without an engine: nothing renews their leases.

        With `alone` it claims invocations that run alone in their process, else all others."""
    def begin(self, invocation_id: str, fence: int) -> None:
        """Start a claim: `pending` to `running`. Raises `InvocationStatusOwnershipError` if the claim was lost."""
    def settle(
        self,
        invocation_id: str,
        fence: int,
        outcome: int,
        payload: bytes | None = None,
        delay_sec: float = 0.0,
        note: str = "",
        started: float = 0.0,
        slot: int = 0,
    ) -> int:
        """End a claim, durably; returns DONE, REPLAYED or STALE."""
    def pause(self, invocation_id: str, fence: int, targets: Sequence[str]) -> bool:
        """Let a body wait: `running` to `paused`; returns False if a target has finished. Raises `CycleDetectedError`."""
    def resume(self, invocation_id: str, fence: int) -> bool:
        """Let a body go on: `paused` to `running`; returns False if the claim was lost."""
    def beat(self, runner: str, lease_sec: float) -> list[str]:
        """Renew all leases of `runner`; returns the ids of its claims."""
    def recover(self, max_recoveries: int = 3, limit: int = 100) -> tuple[list[str], list[str]]:
        """Queue again, or bury, claims whose lease has expired; returns `(requeued, buried)`."""
    def revoke(
        self, runner: str, death: str, max_recoveries: int = 3, *, innocent: bool = False
    ) -> tuple[list[str], list[str], int]:
        """Recover every claim of a runner whose process is dead, and record how it died.

        Args:
            runner: the key of the runner.
            death: the cause, in a few words.
            innocent: whether the cause is known and is none of the bodies; then the death counts for none of them, and
                none has to run alone.
        Returns:
            `(requeued, buried, alone)`; `alone` is how many invocations wait to run alone in their process.
        """
    def cancel(self, invocation_id: str, *, claimed: bool) -> str:
        """Cancel an invocation; returns `"done"` or `"finished"`.

        If a runner owns it, requests the cancellation and returns `"requested"` with `claimed`, else returns `"claimed"`."""
    def status(self, invocation_id: str) -> str:
        """Return the name of the status. Raises `InvocationNotFoundError`."""
    def terminals(self, invocation_ids: Sequence[str]) -> list[Terminal | None]:
        """Return outcomes in the order of the ids; None if unfinished. Raises `InvocationNotFoundError`."""
    def get(self, invocation_id: str) -> Record:
        """Return the record. Raises `InvocationNotFoundError`."""
    def list_ids(
        self,
        *,
        task_id: str | None = None,
        statuses: Sequence[str] = ...,
        queues: Sequence[str] = ...,
        parent_id: str | None = None,
        args_id: str | None = None,
        runner: str | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[str]:
        """Return the ids that match, in order of submission."""
    def count(
        self,
        *,
        task_id: str | None = None,
        statuses: Sequence[str] = ...,
        queues: Sequence[str] = ...,
        parent_id: str | None = None,
        args_id: str | None = None,
        runner: str | None = None,
    ) -> int: ...
    def backlog(self, queues: Sequence[str], limit: int) -> int:
        """Return how many due invocations wait for a slot in `queues` (none means all), counted up to `limit`."""
    def history(self, invocation_id: str) -> list[HistoryEntry]:
        """Return the status changes, oldest first. Raises `InvocationNotFoundError`."""
    def purge(self) -> int:
        """Remove every invocation, finished or not; returns how many."""
    def purge_expired(self, limit: int = 500) -> int: ...
    def cancel_queued(self, limit: int = 10_000) -> int:
        """Cancel up to `limit` invocations that wait for a runner, due or not; returns how many."""
    def publish_runner(self, runner: str, card: bytes, keep_sec: float) -> None:
        """Keep the card of a runner for `keep_sec` seconds in place of its last one; 0 removes it."""
    def runners(self) -> list[tuple[str, bytes]]:
        """Return `(key, card)` of each runner whose card is kept now, at most 1000."""
    def waiter(self, invocation_ids: Sequence[str]) -> Waiter: ...
    def completions(self, alarm: LoopAlarm) -> Completions: ...
    def close(self) -> None:
        """Flush and release the store. A repetition changes nothing; other later calls raise `StateBackendError`."""

@final
class Waiter:
    """Waits for invocations and returns the outcome of each once. For one thread at a time."""

    @property
    def done(self) -> bool:
        """Whether every outcome was returned."""
    def ready(self) -> list[Terminal]:
        """Return what has finished since the last call, without waiting."""
    def wait(self, timeout_sec: float | None = None, interruptible: bool = True) -> list[Terminal]:
        """Block until at least one more has finished; returns an empty list at the timeout (None waits forever).

        With `interruptible`, for the main thread, it wakes every 100 ms so that Python can handle signals. Raises
        `InvocationNotFoundError` if a record vanished (purged or expired) before this waiter saw its end."""

@final
class LoopAlarm:
    """One wake-up descriptor for all completions of an event loop.

    Watch `fileno()` for reading, call `take`, and drain the completions with these tokens."""

    def __new__(cls) -> LoopAlarm: ...
    def fileno(self) -> int: ...
    def take(self) -> list[int]:
        """Return the tokens of the `Completions` with news. Does not block."""
    def close(self) -> None:
        """Make `fileno()` readable for good, so that a thread that watches it wakes."""

@final
class Completions:
    """Outcomes for an event loop: add ids, and drain when the alarm has the token. No method blocks.

    A native thread polls the store. Only what this process knows already is returned at once."""

    @property
    def token(self) -> int:
        """The number by which the alarm names these completions."""
    def add(self, invocation_ids: Sequence[str]) -> list[Terminal]:
        """Add ids; returns the outcomes that are known, which `drain` does not return again.

        Raises `InvocationNotFoundError` for an id that is known not to exist; then it adds none."""
    def discard(self, invocation_ids: Sequence[str]) -> None: ...
    def drain(
        self,
    ) -> tuple[list[Terminal], list[tuple[list[str], BaseException]], tuple[bool, BaseException | None] | None]:
        """Return what has happened since the last call: outcomes, failures, and the end of a wait that `lend` began.

        A failure is the ids that are not waited for any more and the reason: a record that does not exist, a store that
        failed. The end of a wait is whether the body still has its claim, and the error if there was one."""
    def belong_to(self, engine: Engine, claim: Claim) -> None:
        """Wait for the body of `claim`: a store that fails is polled again while the body has its claim and the engine is
        open, and `drain` does not return the failure."""
    def lend(self, engine: Engine, claim: Claim, invocation_ids: Sequence[str]) -> Lending:
        """Lend the slot of a body on an event loop that waits for these ids among those that were added. Does not block.

        The store learns of the first `TARGETS_TOLD` ids. Call `Lending.end` after the wait; then `drain` returns its end,
        or before that an error."""
    def close(self) -> None:
        """End every wait. Later calls raise `StateBackendError`."""

@final
class Lending:
    """One wait of a body on an event loop."""

    def end(self, returns: bool) -> None:
        """End the wait. A body that `returns` gets its slot back before any new work; otherwise it ends and needs none.

        Does not block. A repetition changes nothing."""

@final
class Engine:
    """The Rust part of one running runner: slots and claims. Thread-safe.

    The threads of a built-in runner call `next`, execute, and call `settle`; the thread in `run()` calls `tend`. A user's
    own runner calls `claim`, `begin` and `settle_now` at its own pace. In both cases a native thread renews the leases,
    also while Python holds the GIL, recovers expired claims and removes expired results."""

    def __new__(
        cls,
        store: Store,
        runner_id: str,
        *,
        slots: int,
        queues: Sequence[str] = ...,
        queue_strategy: str = "merged",
        lease_sec: float = 10.0,
        max_recoveries: int = 3,
        lines: str = "both",
    ) -> Engine:
        """Make an engine; starts nothing.

        Args:
            queues: claim only from these; none means all.
            queue_strategy: the choice among several queues: `"merged"`, `"ordered"`, `"round_robin"` or `"random"`.
            lease_sec: seconds before the work of a dead runner is retried.
            lines: `"both"` claims everything, `"beside"` nothing that runs alone in its process, `"alone"` only that.
        Raises:
            ValueError: a setting that no engine can work with.
        """
    @property
    def key(self) -> str:
        """The owner of the claims: the runner id and a random suffix."""
    def waiting_alone(self) -> int:
        """Return how many invocations waited to run alone in their process, due or not, at the last recovery."""
    def look_alone(self, waiting: int) -> None:
        """Claim an invocation that runs alone, if this engine claims those: `waiting` of them wait. Does not block."""
    @property
    def slots(self) -> int: ...
    def start(self) -> None:
        """Start the native thread. A repetition changes nothing."""
    def next(self) -> Claim | None:
        """Return the next claim for the calling thread, `running` and with a slot. Blocks without a time limit.

        None means that the thread shall end: the engine stops, or has more threads than it needs."""
    def settle(
        self, claim: Claim, outcome: int, payload: bytes | None = None, delay_sec: float = 0.0, note: str = ""
    ) -> None:
        """End a claim of `next`, on the thread that will call `next` again. Frees the slot at once. Does not block.

        Outcomes travel to the store in batches; the engine keeps them until the store has recorded them."""
    def next_batch(self, limit: int) -> list[Claim]:
        """Return up to `limit` claims for an event loop, `running` and with slots; for the thread that feeds the loop.

        Blocks without a time limit until there is one. Empty means that the thread shall end: the engine stops."""
    def finish(
        self, claim: Claim, outcome: int, payload: bytes | None = None, delay_sec: float = 0.0, note: str = ""
    ) -> None:
        """End a claim of `next_batch`, from any thread. Frees the slot at once. Does not block."""
    def alive_for(self, seconds: float) -> None:
        """Renew leases for so long, because the loop that runs the bodies is alive; longer only after another call.

        Without a first call the engine renews leases for as long as the process lives."""
    def claim(self, limit: int, queues: Sequence[str] = ...) -> list[Claim]:
        """Claim up to `limit` due invocations (`pending`) for a user's own runner, without waiting for any.

        Claims from `queues`, or from those of the engine if there are none. The engine renews the leases until the claims
        are settled or handed back, or the engine closes."""
    def begin(self, claim: Claim) -> None:
        """Start a claim of `claim`. Raises `InvocationStatusOwnershipError` if the claim was lost."""
    def settle_now(
        self, claim: Claim, outcome: int, payload: bytes | None = None, delay_sec: float = 0.0, note: str = ""
    ) -> int:
        """End a claim, and return when the store has recorded the outcome: DONE, REPLAYED or STALE."""
    def park(self, claim: Claim, waiter: Waiter) -> tuple[bool, bool] | None:
        """Lend the slot of the body of `claim`, which is about to wait. `waiter` outlasts failures of the store from now on.

        Returns:
            `(parked, spawn)`, or None if the store failed and nothing changed: try again after a pause. `parked` is False
            if a target has finished: nothing changed, ask the waiter. Otherwise the slot is lent, and `unpark` must
            follow. `spawn` says whether to start a thread, because none waits in `next` for the slot.
        Raises:
            CycleDetectedError: the wait would never end.
            InvocationNotFoundError: a target does not exist.
            InvocationStatusOwnershipError: the claim was lost.
        """
    def unpark(self, claim: Claim, waiter: Waiter) -> bool:
        """End this wait of the body: block until it has a slot, which it gets before any new work.

        Returns False if the claim was lost. While other threads of the body wait, this one goes on without a slot."""
    def next_cancels(self) -> list[str]:
        """Return the ids of bodies to interrupt, each once. Blocks without a time limit until there are some.

        Empty means that the engine is closed."""
    def interrupt(self, invocation_id: str) -> None:
        """Make the threads of this body that wait return at once, with or without news."""
    def wait_for_work(self, timeout_sec: float) -> bool:
        """Block until a claim may succeed, the engine stops, or the timeout passes; for the loop of a user's own runner.

        Wakes every 100 ms for signals. Returns False only at the timeout."""
    def tend(self, timeout_sec: float) -> int:
        """Supervise: block up to `timeout_sec`, and return how many threads to start; each counts as started.

        Wakes every 100 ms for signals. Returns early on `stop`."""
    def stop(self) -> None:
        """Claim no more. Does not block; may be called from a signal handler. A repetition changes nothing."""
    @property
    def stopping(self) -> bool: ...
    def failing_sec(self) -> float:
        """Return for how many seconds one kind of call to the store has failed each time; 0 while none fails."""
    def drain(self, timeout_sec: float) -> int:
        """After `stop`: block until every claim is settled and stored, the timeout passes, or `hurry` is called.

        Wakes every 100 ms for signals. Returns how many claims are unfinished."""
    def hurry(self) -> None:
        """Make `drain` return at once. May be called from a signal handler."""
    def hand_back(self, note: str) -> int:
        """Hand back every unfinished claim now, and discard later outcomes for them; returns how many."""
    def hand_back_unbegun(self, note: str) -> None:
        """Hand back the claims that no thread has taken."""
    def close(self) -> None:
        """Stop, hand back, send all outcomes and end the native thread. Blocks up to a lease if the store does not answer.

        A repetition changes nothing."""
    def live(self) -> list[tuple[str, str]]:
        """Return `(invocation id, phase)` of every claim of this engine.

        A phase is `"holding"`, `"waiting"`, `"resuming"`, `"outside"` or `"ahead"`."""
