"""On the path of an interpreter: at SIGUSR1 it may have as many processes and threads as the flag `limit` says."""

import resource
import signal

_, _HARD = resource.getrlimit(resource.RLIMIT_NPROC)


def _obey(signum: int, frame: object) -> None:
    from support import flags

    resource.setrlimit(resource.RLIMIT_NPROC, (int(flags.flag_text("limit")) or _HARD, _HARD))


signal.signal(signal.SIGUSR1, _obey)
