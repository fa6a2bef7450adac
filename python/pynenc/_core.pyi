"""The boundary to Rust, in full. What is not here does not cross.

Python pulls and Rust never calls back. Payloads are opaque bytes; ids are text; times are seconds as `float`.
Every method that can block releases the GIL, and every handle refuses (`RuntimeError`) to be used in a forked child.
Store errors arrive as the classes of `pynenc.exceptions`; no other exception comes out but `ValueError` and
`OverflowError` for arguments of the wrong shape.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias, final

__version__: Final[str]
SQLITE_VERSION: Final[str]
TARGETS_TOLD: Final[int]
"""So many of what a body waits for are told to the store, for precedence and the detection of cycles."""

Terminal: TypeAlias = tuple[str, str, bytes | None, str | None]
"""`(invocation id, final status, payload or None, reason or None)`.

The payload is the encoded value (`success`) or the encoded exception (`failed`). It is None when the engine itself
ended the invocation, and then the reason says why in words."""

Call: TypeAlias = tuple[bytes, str, str | None, str | None]
"""`(encoded arguments, args id or "", registration key or None, running key or None)`."""

# What became of a submitted call.
NEW: Final[int]
REUSED_SAME: Final[int]
REUSED_DIFFERENT: Final[int]
REFUSED: Final[int]

# How a claim ends.
SUCCESS: Final[int]
FAILURE: Final[int]
RETRY: Final[int]
RELEASE: Final[int]
CANCELLED: Final[int]

# Whether a settlement was recorded.
DONE: Final[int]
REPLAYED: Final[int]
STALE: Final[int]

def status_table() -> list[tuple[str, bool, bool, list[str]]]:
    """The state machine: `(name, is final, is available, successors)` for each status."""

def new_invocation_id() -> str:
    """A fresh time-ordered id."""

def invocation_age_sec(invocation_id: str) -> float:
    """Seconds since this id was made, by the clock of the process that made it. `ValueError` for no id at all."""

def before_fork() -> None:
    """The calling thread is about to fork: block until no thread is inside SQLite, at most half a second, and keep
    others from entering. One of the next two must follow."""

def after_fork_in_parent() -> None:
    """The fork is made, or has failed."""

def after_fork_in_child() -> None:
    """The fork is made, and this is the child."""

def drain_logs() -> list[tuple[int, str, str]]:
    """Take what Rust has logged since the last call: `(logging level, logger suffix, message)`, oldest first."""

@final
class TaskSpec:
    """How the submissions of one task travel. Made once per task."""

    def __new__(
        cls,
        task_id: str,
        *,
        queue: str = "default",
        priority: float = 0.0,
        running_limit: int = 1,
        park_when_blocked: bool = False,
        refuse_different: bool = False,
        signer: Signer | None = None,
    ) -> TaskSpec:
        """With a `signer` the arguments of each call are signed when it has its id. `running_limit` counts only for calls with a running key; `park_when_blocked` False drops blocked ones."""

# What a signed payload is.
ARGUMENTS: Final[int]
RESULT: Final[int]
EXCEPTION: Final[int]

@final
class Signer:
    """Signs payloads with the newest key of an app, and opens what was signed with any of its keys.

    Pure computation: it may be used in a forked child. It cannot be pickled, and does not show its keys."""

    def __new__(cls, app_id: str, keys: Sequence[tuple[str, bytes]]) -> Signer:
        """`keys` are pairs of id and secret, newest first. `ValueError` for none, or for an id that is none."""
    @property
    def overhead(self) -> int:
        """By how many bytes a signed payload is longer than its body."""
    def sign(self, task_id: str, invocation_id: str, kind: int, body: bytes) -> bytes:
        """`body` in an envelope that is good for this task, invocation and kind (ARGUMENTS, RESULT, EXCEPTION)."""
    def open(self, task_id: str, invocation_id: str, kind: int, payload: bytes) -> bytes:
        """The body of an envelope; `ValueError` says why it is refused."""

@final
class Claim:
    """One invocation, owned by the runner that claimed it until its lease ends. Picklable."""

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
    """What the store knows of one invocation, but for its history and outcome."""

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
        """Unix time before which it may not be claimed; 0.0 is at once."""
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
        """Of a claim that was handed back: how many in a row, for the same reason, this entry stands for; else 1."""
    @property
    def note(self) -> str: ...

@final
class Store:
    """A handle on the store of one app. Thread-safe. Not for use across a fork: open another one there."""

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
        """Open (creating it if need be) the store that a URL names. Blocks for I/O.

        `memory://` (each is new and private to the handle), `sqlite:///path`, or one of `redis://`, `rediss://`,
        `redis+unix://`, `redis+sentinel://`, `redis+cluster://`. What is about the other stores is ignored: the
        shards, the credentials (they win over those of the URL) and eviction are for Redis. The handle sees the work of
        `app_id` only, on SQLite and on Redis. `lease_sec` is
        the lease of the app's runners: `recover` leaves them that long to renew what they hold after a stall. A verb
        that cannot reach its server, or that finds the SQLite file locked, is tried for `store_timeout_sec` before it
        fails. Raises `ConfigError` for a URL that names no known store and `StateBackendError` for a store that cannot
        be used, saying why and what to do."""
    @staticmethod
    def open_manual(*, result_ttl_sec: float = 86400.0, lease_sec: float = 10.0) -> Store:
        """Open a store in memory whose clock stands still until `advance` moves it: for tests. It starts at the time now.
        Due times, history and expiry go by that clock; leases, and how long a call waits, do not."""
    def advance(self, seconds: float) -> None:
        """Move the clock of a store from `open_manual`, and let runners look for what is due now. `ValueError` for any
        other store, or a negative time."""
    def now(self) -> float:
        """Unix time by the clock of the store."""
    @property
    def kind(self) -> str:
        """`"memory"`, `"sqlite"` or `"redis"`."""
    @property
    def url(self) -> str:
        """As it may be shown: without a password."""
    def submit(
        self,
        spec: TaskSpec,
        calls: Sequence[Call],
        parent_id: str | None = None,
        depth: int = 0,
        delay_sec: float = 0.0,
    ) -> list[tuple[str, int]]:
        """Accept all of `calls` or, on an error, none; beyond 250 of them (Redis, or several shards) or 2000 (SQLite) this
        holds for each piece of as many, and sending all of them again completes it. Durable on return. For each: `(id, NEW|REUSED_…|REFUSED)`;
        with anything but NEW the id is that of the invocation already in the queue."""
    def claim(
        self,
        runner: str,
        limit: int,
        queues: Sequence[str] = ...,
        lease_sec: float = 10.0,
        begin: bool = False,
        alone: bool = False,
    ) -> list[Claim]:
        """Take ownership of up to `limit` due invocations without an engine: nobody renews their lease. With `alone`
        of those that run alone in their process, else of all others."""
    def begin(self, invocation_id: str, fence: int) -> None:
        """`pending` to `running`. Raises `InvocationStatusOwnershipError` when the claim was lost."""
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
        """End a claim now, durably: DONE, REPLAYED or STALE."""
    def pause(self, invocation_id: str, fence: int, targets: Sequence[str]) -> bool:
        """`running` to `paused`; False if a target is finished already. Raises `CycleDetectedError`."""
    def resume(self, invocation_id: str, fence: int) -> bool:
        """`paused` to `running`; False when the claim was lost."""
    def beat(self, runner: str, lease_sec: float) -> list[str]:
        """Renew everything `runner` owns; its ids."""
    def recover(self, max_recoveries: int = 3, limit: int = 100) -> tuple[list[str], list[str]]:
        """Requeue or bury what dead runners left: `(requeued, buried)`."""
    def revoke(
        self, runner: str, death: str, max_recoveries: int = 3, *, innocent: bool = False
    ) -> tuple[list[str], list[str], int]:
        """The process of `runner` (a key) is gone: recover all it owns now, recording how it died.

        `(requeued, buried, alone)`: the last is how many invocations wait to run alone in their process. With
        `innocent` the cause is known and none of the bodies: nothing counts, and nothing runs alone on account of it."""
    def cancel(self, invocation_id: str, *, claimed: bool) -> str:
        """`"done"`, or `"finished"`; of one that a runner has `"requested"` with `claimed`, else `"claimed"`."""
    def status(self, invocation_id: str) -> str:
        """Raises `InvocationNotFoundError`."""
    def terminals(self, invocation_ids: Sequence[str]) -> list[Terminal | None]:
        """Outcomes in the order of the ids, None where unfinished. Raises `InvocationNotFoundError`."""
    def get(self, invocation_id: str) -> Record:
        """Raises `InvocationNotFoundError`."""
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
        """Ids in order of submission."""
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
        """How many due invocations wait for a slot in `queues` (none means all), counted up to `limit`."""
    def history(self, invocation_id: str) -> list[HistoryEntry]:
        """Oldest first. Raises `InvocationNotFoundError`."""
    def purge(self) -> int:
        """Remove everything, live or not; how many invocations that was."""
    def purge_expired(self, limit: int = 500) -> int: ...
    def cancel_queued(self, limit: int = 10_000) -> int:
        """Cancel what waits for a runner, due or not, at most so many: how many that was."""
    def publish_runner(self, runner: str, card: bytes, keep_sec: float) -> None:
        """Keep what a runner says of itself for so many seconds, in place of what it said before; 0 removes it."""
    def runners(self) -> list[tuple[str, bytes]]:
        """`(key, card)` of the runners whose card is kept now, at most 1000."""
    def waiter(self, invocation_ids: Sequence[str]) -> Waiter: ...
    def completions(self, alarm: LoopAlarm) -> Completions: ...
    def close(self) -> None:
        """Flush and release. Idempotent; later calls raise `StateBackendError`."""

@final
class Waiter:
    """Waits for a set of invocations and yields the outcome of each once, as they finish. For one thread at a time."""

    @property
    def done(self) -> bool:
        """Whether every outcome has been yielded."""
    def ready(self) -> list[Terminal]:
        """What has finished since the last call; does not wait."""
    def wait(self, timeout_sec: float | None = None, interruptible: bool = True) -> list[Terminal]:
        """Block until at least one more has finished; empty at the timeout (None waits forever).

        With `interruptible` (for the main thread) it wakes every 100 ms to let Python handle signals; without, it
        sleeps until notified. Raises `InvocationNotFoundError` if a record vanished before its end was seen."""

@final
class LoopAlarm:
    """One descriptor for everything that an event loop awaits: watch `fileno()` for reading, `take`, drain those."""

    def __new__(cls) -> LoopAlarm: ...
    def fileno(self) -> int: ...
    def take(self) -> list[int]:
        """Tokens of the `Completions` that have something to say. Does not block."""
    def close(self) -> None:
        """`fileno()` is readable from then on, for a thread that watches it."""

@final
class Completions:
    """Outcomes for an event loop: add ids, drain when the alarm rings. Never blocks: a native thread of the store looks
    at it, and only what this process knows already is answered at once."""

    @property
    def token(self) -> int:
        """What the alarm calls it."""
    def add(self, invocation_ids: Sequence[str]) -> list[Terminal]:
        """Register; returns those that are known to be finished, which are not delivered again. Raises
        `InvocationNotFoundError` for one that is known not to exist, and registers none then."""
    def discard(self, invocation_ids: Sequence[str]) -> None: ...
    def drain(
        self,
    ) -> tuple[list[Terminal], list[tuple[list[str], BaseException]], tuple[bool, BaseException | None] | None]:
        """What has finished since; ids that are registered no longer, with the reason: a record that does not exist, a
        store that failed; and after `lend`, once: whether the body still has its claim, or what went wrong."""
    def belong_to(self, engine: Engine, claim: Claim) -> None:
        """The body of `claim` waits here: a store that fails is asked again for as long as it has its claim and the
        engine is open, instead of being reported by `drain`."""
    def lend(self, engine: Engine, claim: Claim, invocation_ids: Sequence[str]) -> Lending:
        """As `Engine.park`, for a body on an event loop that waits for these (of which the first `TARGETS_TOLD` are
        told to the store) and others that are registered here: does not block. `Lending.end` must follow, and `drain`
        then says what came of it; it may say so before, if something went wrong."""
    def close(self) -> None:
        """Forget everything."""

@final
class Lending:
    """One wait of a body on an event loop."""

    def end(self, returns: bool) -> None:
        """The wait is over: get the slot back, before all new work. Not `returns`: the body ends, and needs none. Does
        not block; idempotent."""

@final
class Engine:
    """Slots and claims of one runner in one process. Thread-safe.

    The threads of a built-in runner do `next → execute → settle`; the thread that called `run()` does `tend`.
    A runner of a user's own uses `claim`, `begin`, `settle_now` at its own pace. Either way a native thread renews
    the leases, also while Python holds the GIL, recovers the claims of dead runners and removes what has expired."""

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
        """`queue_strategy`: how it chooses among several `queues`: `"merged"`, `"ordered"`, `"round_robin"` or `"random"`. `lines`: what it claims. `"both"` is everything, `"beside"` nothing that runs alone in its process, `"alone"`
        only that. Raises `ValueError` for another one."""
    @property
    def key(self) -> str:
        """Name under which claims are owned: the runner id and a random suffix."""
    def waiting_alone(self) -> int:
        """How many invocations waited to run alone in their process, due or not, when this engine heard of it last."""
    def look_alone(self, waiting: int) -> None:
        """So many wait to run alone: look for one, if this engine claims those. Does not block."""
    @property
    def slots(self) -> int: ...
    def start(self) -> None:
        """Start the native thread. Once."""
    def next(self) -> Claim | None:
        """The next invocation for the calling thread, started (`running`), its slot taken. Blocks without a time
        limit; None means that the thread shall end: the engine stops, or has more threads than it needs."""
    def settle(
        self, claim: Claim, outcome: int, payload: bytes | None = None, delay_sec: float = 0.0, note: str = ""
    ) -> None:
        """End a claim obtained from `next`, on the thread that will call `next` again. Frees the slot at once and
        does not block: outcomes travel to the store in batches, and are kept until the store has taken them."""
    def next_batch(self, limit: int) -> list[Claim]:
        """For an event loop, called by the one thread that feeds it: the next invocations, started, up to `limit`.
        Blocks without a time limit until there is one; empty means that the thread shall end: the engine stops."""
    def finish(
        self, claim: Claim, outcome: int, payload: bytes | None = None, delay_sec: float = 0.0, note: str = ""
    ) -> None:
        """End a claim obtained from `next_batch`, from any thread. As `settle`, does not block."""
    def pulse(self, good_for_sec: float) -> None:
        """The loop that runs the bodies lives: leases are renewed for so long, and not without another pulse. Without
        a first one they are renewed for as long as the process lives."""
    def claim(self, limit: int, queues: Sequence[str] = ...) -> list[Claim]:
        """For a runner of a user's own: take up to `limit` due invocations (`pending`) without waiting for any.
        From these queues, or from those of the engine if there are none.
        Their leases are renewed until they are settled, handed back, or the engine closes."""
    def begin(self, claim: Claim) -> None:
        """Start one of those. Raises `InvocationStatusOwnershipError` when the claim was lost."""
    def settle_now(
        self, claim: Claim, outcome: int, payload: bytes | None = None, delay_sec: float = 0.0, note: str = ""
    ) -> int:
        """End one of those; returns when the store has it: DONE, REPLAYED or STALE."""
    def park(self, claim: Claim, waiter: Waiter) -> tuple[bool, bool] | None:
        """The body of `claim` is about to wait: `(parked, spawn)`. None: the store failed, and the body still has its
        claim; nothing changed, ask again after a pause. From now on `waiter` waits through failures of the store.

        parked False: something has finished already and nothing changed; ask the waiter. Else the slot is free now
        and `unpark` must follow. spawn True: no thread is waiting in `next` for the free slot; start one.
        Raises `CycleDetectedError`, `InvocationNotFoundError`, `InvocationStatusOwnershipError`."""
    def unpark(self, claim: Claim, waiter: Waiter) -> bool:
        """End this wait of the body: block until a slot is free (before all new work), then go on. True, or False when
        the claim was lost meanwhile. While other threads of the same body wait, this one goes on without a slot."""
    def next_cancels(self) -> list[str]:
        """Ids of bodies that are to be interrupted, each once. Blocks without a time limit until there are some; empty
        means that the engine is closed."""
    def interrupt(self, invocation_id: str) -> None:
        """Make the threads of this body that wait return at once, with or without news."""
    def wait_for_work(self, timeout_sec: float) -> bool:
        """Block until a claim may succeed, the engine stops, or the timeout passes: for a user's own loop. Wakes
        every 100 ms for signals. True unless the timeout passed."""
    def tend(self, timeout_sec: float) -> int:
        """Supervise: block up to `timeout_sec`, waking every 100 ms for signals, and return how many threads shall be
        started to serve free slots (each counts as started). Returns early on `stop`."""
    def stop(self) -> None:
        """Claim no more. Does not block; may be called from a signal handler. Idempotent."""
    @property
    def stopping(self) -> bool: ...
    def failing_sec(self) -> float:
        """For how long every call of the store has failed; 0 while it works."""
    def drain(self, timeout_sec: float) -> int:
        """After `stop`: block until everything claimed is settled and stored, the timeout passes, or `hurry` is
        called; wakes every 100 ms for signals. Returns how many claims are unfinished."""
    def hurry(self) -> None:
        """Make `drain` return at once. May be called from a signal handler."""
    def hand_back(self, note: str) -> int:
        """Give every unfinished claim back to the queue now; later outcomes for them are discarded. How many."""
    def hand_back_unbegun(self, note: str) -> None:
        """Give the claims that wait for a thread back to the queue now."""
    def close(self) -> None:
        """Stop, flush, end the native thread; the calling thread blocks up to a lease for a store that does not
        answer. Idempotent."""
    def live(self) -> list[tuple[str, str]]:
        """`(invocation id, "holding" | "waiting" | "resuming")` of every claim this engine owns."""
