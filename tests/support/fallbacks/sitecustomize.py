"""Loaded by an interpreter: remove the features that `platform` and `channel` replace on other systems."""

import os
import socket

for owner, name in ((os, "pidfd_open"), (socket, "MSG_CMSG_CLOEXEC")):
    if hasattr(owner, name):
        delattr(owner, name)

from pynenc.runner._workers import platform  # noqa: E402 - it looks at what there is.

# No such option of prctl: the kernel refuses it.
platform._PR_SET_PDEATHSIG = -1
