"""Shared by the tests of signals: events laid bare for comparison."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
import pytest

from crumple.signals.corpus import Event

Laid = list[list[object]]


@pytest.fixture
def bare() -> Callable[[Iterable[Event]], Laid]:
    """Every field of every event in a form that compares bit for bit, NaN and all."""

    def lay(value: object) -> object:
        return (value.dtype.str, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else repr(value)

    return lambda events: [[lay(getattr(event, field.name)) for field in dataclasses.fields(Event)] for event in events]
