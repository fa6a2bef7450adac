"""What a forked worker does: runs bodies on its own store and engine, and obeys its runner."""

from __future__ import annotations

import contextlib
import os
import threading
from functools import cached_property
from typing import TYPE_CHECKING, NoReturn

from pynenc._execute.execution import execute
from pynenc._logs.later import flush_all
from pynenc.conf import config_runner
from pynenc.conf.handover import settings_from
from pynenc.exceptions import RunnerError
from pynenc.runner._session.slot_threads import SlotThreads
from pynenc.runner._session.stack_size import use_stack_of_main_thread
from pynenc.runner._session.task_loggers import show_task_loggers
from pynenc.runner._session.waiting import Waiting
from pynenc.runner._session.worker_starts import call_worker_starts, reseed
from pynenc.runner._worker_process.end import end_in_order, forget_inherited_finalizers
from pynenc.runner._worker_process.face import WorkerFace
from pynenc.runner._worker_process.hooks import WorkerHooks
from pynenc.runner._workers.platform import DEAF, ORPHANED, resident_mb
from pynenc.util.texts import NOTE_CHARS

if TYPE_CHECKING:
    from pynenc import _core
    from pynenc._execute.outcome import Outcome
    from pynenc._kernel.shapes import AppShape
    from pynenc.conf.config_runner import ConfigRunner
    from pynenc.runner._session.session import RunnerSession
    from pynenc.runner._workers.channel import Channel, Message

FOR_EVER_SEC = 3e7


def run_worker(app: AppShape, channel: Channel, message: Message) -> int:
    """Be the worker that `message` describes until told to stop; the exit code."""
    from pynenc.runner._worker_process.loop_worker import LoopWorker
    from pynenc.runner._worker_process.once_worker import OnceWorker

    kinds: dict[str, type[Worker]] = {"threads": Worker, "once": OnceWorker, "loop": LoopWorker}
    worker = kinds[message["kind"]](app, channel, message)
    threading.Thread(target=worker.obey_runner, name="pynenc-orders", daemon=True).start()
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
    end_in_order(app, worker.face.logger, worker.own_threads(), worker.hurried, worker.end_grace_sec)
    return 0


class Worker:
    """Runs invocations on threads of a worker process. Reports to its runner, and stops when that says so.

    It has a session, as a runner does, and shows bodies a `WorkerFace` as their current runner.
    """

    session: RunnerSession
    slot_threads: SlotThreads

    def __init__(self, app: AppShape, channel: Channel, message: Message) -> None:
        self.app = app
        self.channel = channel
        self.runner_name = str(message["runner"])
        self.slots = int(message["slots"])
        """How many bodies it runs at a time."""
        self.lines = str(message.get("lines", "both"))
        self.hurried = threading.Event()
        """Set when this process has to end now."""
        self.told = False
        """Whether it was told to stop."""
        self.end_grace_sec = 0.0
        """How long the end of this process may take when the runner goes on; with the settings."""
        self._message = message
        self._done = 0
        self._reported: tuple[int, int, int] = (0, 0, 0)
        self._asked = False
        self.face = WorkerFace(app, self)

    @cached_property
    def conf(self) -> ConfigRunner:
        """The settings that the runner has."""
        cls: type[ConfigRunner] = getattr(config_runner, self._message["conf"])
        conf = settings_from(cls, self._message["settings"])
        self.end_grace_sec = conf.stop_grace_sec
        # The runner keeps the time, and says when it is over.
        conf.stop_grace_sec = FOR_EVER_SEC
        return conf

    @property
    def engine(self) -> _core.Engine | None:
        """The engine, while it runs."""
        return self.session.engine

    def run(self) -> None:
        """Run until told to stop."""
        self.face.run()

    def own_threads(self) -> set[threading.Thread]:
        """Threads of the worker that are no daemons for Python."""
        return set()

    # -- parts of its session --------------------------------------------------------------------------------------

    def new_slot_threads(self, session: RunnerSession) -> SlotThreads:
        """Make the threads of the slots; the last part of a new session."""
        self.session = session
        self.slot_threads = SlotThreads(session, self.execute)
        return self.slot_threads

    def new_hooks(self, session: RunnerSession) -> WorkerHooks:
        """Make the hooks of its bodies."""
        return WorkerHooks(session, self.channel, dies_for_one=self.slots == 1)

    def new_waiting(self, session: RunnerSession) -> Waiting:
        """Make what the waits of its bodies go through."""
        return Waiting(session)

    # -- from start to stop ----------------------------------------------------------------------------------------

    def start(self) -> None:
        """Tell the runner that this worker is ready."""
        self.slot_threads.reset()
        self.ready()

    def ready(self) -> None:
        """Tell the runner that this worker is ready, unless it was told to stop before."""
        if self.told:
            # So early that setting `running` has undone it.
            self.face.running = False
        elif self.engine is not None:
            self.channel.send({"ready": self.engine.key})

    def iterate(self) -> None:
        """Supervise for up to a second, then report what has changed."""
        self.slot_threads.supervise()
        self.report()

    def stop(self) -> None:
        """Wait for the bodies, for as long as the runner allows."""
        self.slot_threads.stop()

    def stop_requested(self) -> None:
        """Nothing: the engine was told already."""

    def execute(self, claim: _core.Claim) -> Outcome:
        """Run the body of a claim."""
        outcome = execute(self.session.runtime, claim, self.session.hooks)
        self.count()
        return outcome

    def leave(self, error: Exception) -> NoReturn:
        """End now: without a store that works, nothing can be settled or handed back. The runner does what is left."""
        # So that its bodies are not taken for the cause.
        self.channel.send({"deaf": True})
        self.end_at_once(str(error), DEAF)

    def end_at_once(self, reason: str, code: int) -> NoReturn:
        """End this process as it is, from any thread, and tell the runner why."""
        with contextlib.suppress(Exception):
            self.face.logger.error("this worker process ends: %s", reason)
        with contextlib.suppress(Exception):
            self.channel.send({"died": reason[:NOTE_CHARS]})
        os._exit(code)

    def become_copy(self) -> None:
        """In a process that a body has forked: the runner would take what the copy says for ours."""
        self.channel.abandon()

    # -- reports ---------------------------------------------------------------------------------------------------

    def count(self) -> None:
        """One more body has run."""
        self._done += 1
        if self._done == self._message["max_tasks"]:
            self.channel.send({"spent": f"has run {self._done} tasks"})

    def report(self) -> None:
        """Tell the runner what has changed."""
        if self._asked:
            self._asked = False
            self.channel.send({"spent": "was told to stop by SIGTERM"})
        live = [] if self.engine is None else self.engine.live()
        state = (self._done, len(live), sum(1 for _, phase in live if phase == "waiting"))
        if state != self._reported:
            self._reported = state
            self.channel.send({"done": state[0], "live": state[1], "waits": state[2], "rss": resident_mb()})

    def asked_to_stop(self, signum: int, frame: object) -> None:
        """The handler of SIGTERM."""
        # Sent from the loop: here the lock of the channel may be held by the code that was interrupted.
        self._asked = True

    def is_own_handler(self, handler: object) -> bool:
        """Whether a handler of a signal belongs to this worker, not to a body."""
        return handler == self.asked_to_stop

    # -- orders ----------------------------------------------------------------------------------------------------

    def obey_runner(self) -> None:
        """On a thread of its own: do what the runner says, and end at once when it is gone."""
        while (message := self.channel.receive()) is not None:
            self.obey(message)
        flush_all()
        os._exit(ORPHANED)

    def obey(self, message: Message) -> None:
        """Do what one message says."""
        if "ping" in message:
            self.channel.send({"pong": True})
        if "stop" in message:
            self.told = True
            self.face.stop_runner_loop()
        if "alone" in message and self.engine is not None:
            self.engine.look_alone(message["alone"])
        if "hurry" in message:
            self.hurried.set()
            # Without an engine yet there is nothing to hand back.
            self.session.started.wait()
            if self.engine is not None:
                self.engine.hurry()
