"""Ctrl-C that cannot get lost."""

from __future__ import annotations

import _thread
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Long enough that the place which swallowed the interrupt has been left.
AGAIN_AFTER_S = 0.02


@contextmanager
def heard() -> Iterator[None]:
    """Raise an interrupt from the keyboard again when Python had to drop it.

    An exception inside a weak reference's callback or a finaliser cannot travel upwards: Python prints it and goes
    on, and a Ctrl-C that happened to arrive there would be lost, as if it had not been pressed.
    """
    before = sys.unraisablehook

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, KeyboardInterrupt):
            import threading

            threading.Timer(AGAIN_AFTER_S, _thread.interrupt_main).start()
        else:
            before(lost)

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
