"""What a forked worker does: the loop of every built-in runner, on its own store and engine, told by its runner."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from pynenc._execute.execution import execute
from pynenc._identity.runner_id import RunnerId
from pynenc.conf import config_runner
from pynenc.conf.handover import settings_from
from pynenc.exceptions import RunnerError
from pynenc.runner._session.identity import RunnerLog
from pynenc.runner._session.signals import STOP_SIGNALS, SignalTakeover, in_copies
from pynenc.runner._session.slot_threads import EngineRunner
from pynenc.runner._session.stack_size import use_stack_of_main_thread
from pynenc.runner._session.task_loggers import show_task_loggers
from pynenc.runner._session.worker_starts import call_worker_starts, reseed
from pynenc.runner._worker_process.end import BodyThread, end_in_order, forget_inherited_finalizers
from pynenc.runner._workers.platform import DEAF, ORPHANED, resident_mb
from pynenc.util.texts import NOTE_CHARS

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._execute.outcome import Outcome
    from pynenc.app import Pynenc
    from pynenc.conf.config_runner import ConfigRunner
    from pynenc.runner._workers.channel import Channel, Message

_FOR_EVER_SEC = 3e7

_LAST_RESORT_SEC = 5.0
"""How much longer a worker with several bodies lives if one of them holds the GIL, so that it cannot be given up."""


def run_worker(app: Pynenc, channel: Channel, message: Message) -> int:
    """Be the worker that `message` describes until told to stop; the exit code."""
    from pynenc.runner._worker_process.loop_worker import LoopWorker
    from pynenc.runner._worker_process.once_worker import OnceWorker

    kinds: dict[str, type[Worker]] = {"threads": Worker, "once": OnceWorker, "loop": LoopWorker}
    worker = kinds[message["kind"]](app, channel, message)
    threading.Thread(target=worker.obey, name="pynenc-orders", daemon=True).start()
    use_stack_of_main_thread()
    reseed()
    show_task_loggers(app)
    forget_inherited_finalizers()
    try:
        call_worker_starts(app)
    except RunnerError as error:
        channel.send({"died": str(error)[:NOTE_CHARS]})
        raise
    worker.run()
    channel.send({"bye": True})
    end_in_order(app, worker.logger, worker.own_threads(), worker.hurried, worker.end_grace_sec)
    return 0


class Worker(EngineRunner):
    """Runs invocations on threads of a worker process. Reports to its runner, and stops when that says so."""

    def __init__(self, app: Pynenc, channel: Channel, message: Message) -> None:
        self._message = message
        super().__init__(app)
        self.logger = _WorkerLog(self)
        self._signals = _WorkerSignals(self._asked_to_stop)
        self._channel = channel
        # Bodies that our runner gives up at some time.
        self._limited: set[str] = set()
        self._done = 0
        self._reported: tuple[int, int, int] = (0, 0, 0)
        self._asked = False
        self._told = False
        self.hurried = threading.Event()
        """Set when this process has to end now."""
        self.end_grace_sec = 0.0
        """How long the end of this process may take when the runner goes on; with the settings."""

    @property
    def runner_id(self) -> RunnerId:
        """`<class of the runner>(<host>-<pid of this worker>)`."""
        return RunnerId(f"{self._message['runner']}({socket.gethostname()}-{os.getpid()})")

    @cached_property
    def conf(self) -> ConfigRunner:
        """The settings that the runner has."""
        cls: type[ConfigRunner] = getattr(config_runner, self._message["conf"])
        conf = settings_from(cls, self._message["settings"])
        self.end_grace_sec = conf.stop_grace_sec
        # The runner keeps the time, and says when it is over.
        conf.stop_grace_sec = _FOR_EVER_SEC
        return conf

    @staticmethod
    def mem_compatible() -> bool:
        """False: it has a process of its own."""
        return False

    @property
    def max_parallel_slots(self) -> int:
        """As many as its runner said."""
        return int(self._message["slots"])

    def own_threads(self) -> set[threading.Thread]:
        """Threads of the runner that are no daemons for Python."""
        return set()

    def _new_thread(self, target: Callable[..., None], name: str, *args: object) -> threading.Thread:
        return BodyThread(target=target, args=args, name=name, daemon=True)

    def _lines(self) -> str:
        return str(self._message.get("lines", "both"))

    def _on_start(self) -> None:
        super()._on_start()
        if self._told:
            # So early that setting `running` has undone it.
            self.running = False
        elif self._engine is not None:
            self._channel.send({"ready": self._engine.key})

    def _make_known(self) -> None:
        """Its runner makes all of them known."""

    def _import_modules(self) -> None:
        """The process that this one was forked from has imported them."""

    def runner_loop_iteration(self) -> None:
        """Supervise for up to a second, then report what has changed."""
        super().runner_loop_iteration()
        self._report()

    def _look_after(self) -> None:
        try:
            super()._look_after()
        except RunnerError as error:
            # So that its bodies are not taken for the cause.
            self._channel.send({"deaf": True})
            self._leave(error)

    def _leave(self, error: Exception) -> NoReturn:
        """End now: without a store that works, nothing can be settled or handed back. Our runner does what is left."""
        self._end_at_once(str(error), DEAF)

    def _end_at_once(self, reason: str, code: int) -> NoReturn:
        """End this process as it is, from any thread, and tell the runner why."""
        with contextlib.suppress(Exception):
            self.logger.error("this worker process ends: %s", reason)
        with contextlib.suppress(Exception):
            self._channel.send({"died": reason[:NOTE_CHARS]})
        os._exit(code)

    def _execute(self, claim: _core.Claim) -> Outcome:
        outcome = execute(self.app, self, claim)
        self._count()
        return outcome

    def _become_copy(self) -> None:
        super()._become_copy()
        # What a copy says would be taken for ours.
        self._channel.abandon()

    def _limit_begins(self, claim: _core.Claim, seconds: float, cancelled_after: float | None) -> None:
        # Of the claim without its arguments.
        fields = (
            claim.invocation_id, claim.fence, claim.task_id, claim.parent_id, claim.depth, claim.queue,
            claim.retries, claim.recoveries, claim.releases,
        )  # fmt: skip
        kill_after = seconds + (0.0 if self._dies_for_one() else _LAST_RESORT_SEC)
        self._limited.add(claim.invocation_id)
        self._channel.send({"limit": (fields, kill_after, cancelled_after)})

    def _limit_ends(self, claim: _core.Claim) -> None:
        if claim.invocation_id in self._limited:
            self._limited.discard(claim.invocation_id)
            self._channel.send({"over": claim.invocation_id})

    def _decoding_begins(self, claim: _core.Claim, seconds: float) -> None:
        self._channel.send({"decoding": (claim.invocation_id, seconds)})

    def _decoding_ends(self, claim: _core.Claim) -> None:
        self._channel.send({"decoded": claim.invocation_id})

    def _give_up(self, claim: _core.Claim, outcome: Outcome) -> None:
        # Otherwise its runner kills this process at the same time, so that nothing of the body is left.
        if not self._dies_for_one():
            super()._give_up(claim, outcome)
            self._limit_ends(claim)
            self._channel.send({"spent": "has a body that does not stop"})

    def _dies_for_one(self) -> bool:
        """Whether this process is killed for a body that does not stop: if there is no other one at a time."""
        return self.max_parallel_slots == 1

    def _count(self) -> None:
        """One more body has run."""
        self._done += 1
        if self._done == self._message["max_tasks"]:
            self._channel.send({"spent": f"has run {self._done} tasks"})

    def _report(self) -> None:
        if self._asked:
            self._asked = False
            self._channel.send({"spent": "was told to stop by SIGTERM"})
        engine = self._engine
        live = [] if engine is None else engine.live()
        state = (self._done, len(live), sum(1 for _, phase in live if phase == "waiting"))
        if state != self._reported:
            self._reported = state
            self._channel.send({"done": state[0], "live": state[1], "waits": state[2], "rss": resident_mb()})

    def _asked_to_stop(self, signum: int, frame: object) -> None:
        # Sent from the loop: here the lock of the channel may be held by the code that was interrupted.
        self._asked = True

    # -- orders ----------------------------------------------------------------------------------------------------

    def obey(self) -> None:
        """On a thread of its own: do what the runner says, and end at once when it is gone."""
        while (message := self._channel.receive()) is not None:
            self._obey(message)
        os._exit(ORPHANED)

    def _obey(self, message: Message) -> None:
        if "ping" in message:
            self._channel.send({"pong": True})
        if "stop" in message:
            self._told = True
            self.stop_runner_loop()
        if "alone" in message and self._engine is not None:
            self._engine.look_alone(message["alone"])
        if "hurry" in message:
            self.hurried.set()
            # Without an engine yet there is nothing to hand back.
            self._started.wait()
            if self._engine is not None:
                self._engine.hurry()


class _WorkerLog(RunnerLog):
    """Workers come and go; that each one starts and stops is for those who look closely."""

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        self.debug(msg, *args, **kwargs)


class _WorkerSignals(SignalTakeover):
    """SIGINT and SIGHUP are the runner's affair; SIGTERM asks for a replacement of this worker alone."""

    def __init__(self, asked: Any) -> None:
        super().__init__()
        self._handler = asked

    def take(self, handler: Any) -> None:
        for signum in STOP_SIGNALS:
            signal.signal(signum, lambda signum, frame: None)
        signal.signal(signal.SIGTERM, self._handler)
        in_copies(signal.SIGTERM, signal.SIG_DFL)

    def give_back(self) -> None:
        """They stay until the process ends."""
