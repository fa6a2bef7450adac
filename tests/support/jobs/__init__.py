"""The tasks of the tests, in a user's style: one app, modules that import it, plain functions."""

from support.jobs import (
    alarms,
    basics,
    cancels,
    chaos,
    controls,
    decorated,
    dev,
    faults,
    forks,
    hostile,
    limits,
    neighbours,
    payloads,
    rogues,
    streams,
    waits,
)
from support.jobs.app import app

__all__ = [
    "alarms",
    "app",
    "basics",
    "cancels",
    "chaos",
    "controls",
    "decorated",
    "dev",
    "faults",
    "forks",
    "hostile",
    "limits",
    "neighbours",
    "payloads",
    "rogues",
    "streams",
    "waits",
]
