"""The lock of all that the calls of this process share: nobody forks while it is held."""

import os
import threading

__all__ = ["LOCK"]

# One lock for all pools: it is held for microseconds, and never while anything is waited for.  A
# fork takes it too, so that in the forked process no other thread can have held it, and what it
# guards is whole.  Reentrant, since a handle may be collected, and so closed, anywhere.
LOCK = threading.RLock()

os.register_at_fork(before=LOCK.acquire, after_in_parent=LOCK.release, after_in_child=LOCK.release)
