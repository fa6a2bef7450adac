"""Hints for task options that do not exist."""

from __future__ import annotations

from collections.abc import Iterable

from pynenc.util.near_names import did_you_mean

_ELSEWHERE = {
    "acks_late": "an invocation is acknowledged when its outcome is stored, always; leave it out",
    "autoretry_for": "it is called retry_for",
    "bind": "inside of a body `task.invocation` is the running invocation; leave it out",
    "countdown": "calls cannot be put off in this build",
    "default_retry_delay": "retries have no delay in this build; max_retries says how many there are",
    "eta": "calls cannot be put off in this build",
    "ignore_result": "results are removed after result_ttl_sec; leave it out",
    "name": "the id of a task is its module and function",
    "rate_limit": "there are no rate limits in this build; running_concurrency limits what runs at the same time",
    "retry_backoff": "retries have no delay in this build; max_retries says how many there are",
    "retry_backoff_max": "retries have no delay in this build; max_retries says how many there are",
    "retry_delay": "retries have no delay in this build; max_retries says how many there are",
    "retry_jitter": "retries have no delay in this build; max_retries says how many there are",
    "soft_time_limit": "it is called soft_timeout",
    "throws": "retry_for names the exceptions that cause a retry",
    "time_limit": "it is called timeout",
}
"""Options of other libraries and their replacements."""


def instead_of(name: str, known: Iterable[str]) -> str:
    """Return a hint that replaces the unknown option `name`."""
    options = sorted(known)
    return _ELSEWHERE.get(name) or did_you_mean(name, options, f"the options are {', '.join(options)}")
