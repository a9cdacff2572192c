"""How long work tells how far it is, without knowing whether anybody watches."""

from __future__ import annotations

from collections.abc import Callable

Advance = Callable[[int, str], None]
"""Called with the amount done so far and a short status text."""


def quietly(done: int, status: str) -> None:
    """The ``Advance`` of work that nobody watches: takes ``done`` and ``status`` and does nothing."""
