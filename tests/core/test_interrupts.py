"""An interrupt from the keyboard is heard wherever it arrives."""

from __future__ import annotations

import signal
import sys
import time

import pytest

from crumple import interrupts


class Finalised:
    """Interrupted while it is being finalised, where Python cannot let an exception out."""

    def __init__(self, raised: BaseException) -> None:
        self.raised = raised

    def __del__(self) -> None:
        raise self.raised


def test_an_interrupt_that_arrives_in_a_finaliser_is_raised_again() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.heard():
        del_me = Finalised(KeyboardInterrupt())
        del del_me
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            time.sleep(0.001)


def test_an_interrupt_elsewhere_is_raised_once_as_ever() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts.heard():
        signal.raise_signal(signal.SIGINT)


def test_other_exceptions_in_finalisers_go_where_they_went_before(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[type[BaseException]] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: told.append(lost.exc_type))
    with interrupts.heard():
        del_me = Finalised(ValueError("not an interrupt"))
        del del_me
    assert told == [ValueError]


def test_the_hook_that_was_there_is_put_back() -> None:
    before = sys.unraisablehook
    with interrupts.heard():
        assert sys.unraisablehook is not before
    assert sys.unraisablehook is before
