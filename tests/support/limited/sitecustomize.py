"""Loaded by an interpreter: SIGUSR1 sets the limit of processes and threads to the number in the flag `limit`."""

import resource
import signal

_, _HARD = resource.getrlimit(resource.RLIMIT_NPROC)


def _obey(signum: int, frame: object) -> None:
    from support import flags

    resource.setrlimit(resource.RLIMIT_NPROC, (int(flags.flag_text("limit")) or _HARD, _HARD))


signal.signal(signal.SIGUSR1, _obey)
