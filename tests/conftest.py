"""What all tests share."""

import asyncio
import sys

from controlplane import environment

environment.clean()

if sys.version_info < (3, 14):
    # Asked for the loop of a thread that has none, older Pythons make one, and pytest-asyncio asks without closing it:
    # the warning about it would fail whichever test the garbage collector runs in.
    asyncio.set_event_loop(None)
