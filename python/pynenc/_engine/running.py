"""What runs invocations: the engine of a runner, and the claims that it hands out."""

from pynenc._core import Claim, Engine

__all__ = ["Claim", "Engine"]
