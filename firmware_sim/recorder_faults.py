"""Flipped bits of the event data recorder's memory: what becomes of its image, and whether they reach beyond it.

Nothing of the controller stands behind the recorder: it gets copies of what the controller read and said, and gives
nothing back. So these faults cannot change a decision, and are counted apart from those that might. What is left to
show is that a wrong index in its memory writes nowhere else, and what its records are then worth.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .recorder import Recorder
from .replay import Controller
from .scenes import Scene

RECORDER = "bits of the event data recorder"
DOWNLOAD = "before the download"

SAME, OTHER, MISSING, SURPLUS = "same image", "other bytes", "event missing", "event too many"
IMAGES = (SAME, OTHER, MISSING, SURPLUS)
"""What is downloaded, against the image without the fault. The recorder notices none of them."""

FLAGS_AT, USED = (16, 108), 1
"""Bytes of an image with the flags of its two places, and the flag of a place that holds an event."""

TAIL_S = 0.35
"""Rest after a scene, so that a record which is under way at its end is closed: 0.3 s, and some more."""


def told(scene: Scene, controller: Controller, recorder: Recorder) -> NDArray[Any]:
    """What the ``recorder`` of a ``controller`` is told in a ``scene`` and in the rest after it, of ``TICK_DTYPE``."""
    rest = np.zeros(round(TAIL_S * scene.rate_hz), np.int16)
    inputs = controller.words(np.concatenate([scene.main_lsb, rest]), np.concatenate([scene.safing_lsb, rest]))
    return recorder.told(inputs, controller.outputs(inputs))


def flipped(
    scene: Scene, controller: Controller, recorder: Recorder, begins: str, when: int | None, first_bit: int, n_bits: int
) -> list[dict[str, Any]]:
    """One row of counts, of the images after a bit of the recorder's memory was flipped in a scene.

    Parameters
    ----------
    scene : Scene
    controller : Controller
    recorder : Recorder
        Of the same library.
    begins : str
        What happens in the event when the bit is flipped.
    when : int or None
        Tick before which that is; None is before the download.
    first_bit, n_bits : int
        Bits of the recorder's memory, one run each.
    """
    ticks = told(scene, controller, recorder)
    expected = np.frombuffer(recorder.image_of(ticks), np.uint8)
    images, is_outside = recorder.flips(ticks, ticks.size if when is None else when, first_bit, n_bits)
    counts = np.bincount(images_of(images, expected), minlength=len(IMAGES))
    return [
        {
            "family": RECORDER,
            "class": scene.event_class,
            "event": scene.name,
            "mode": scene.mode,
            "begins": begins,
            "faults": n_bits,
            **{name: int(n) for name, n in zip(IMAGES, counts, strict=True)},
            "written outside": int(is_outside.sum()),
        }
    ]


def images_of(images: NDArray[np.uint8], expected: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What each image is, as indices into ``IMAGES``.

    Parameters
    ----------
    images : ndarray of uint8, shape (n_images, n_bytes)
    expected : ndarray of uint8, shape (n_bytes,)
        The image without a fault.

    Returns
    -------
    ndarray of uint8, shape (n_images,)
    """
    at = list(FLAGS_AT)
    events = (images[:, at] & USED).sum(axis=1, dtype=np.int64) - int((expected[at] & USED).sum())
    found = np.where((images != expected).any(axis=1), IMAGES.index(OTHER), IMAGES.index(SAME))
    found[events < 0] = IMAGES.index(MISSING)
    found[events > 0] = IMAGES.index(SURPLUS)
    return found.astype(np.uint8)


COUNTED = ("faults", *IMAGES, "written outside")


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Counts of the ``rows`` of all pieces, by class of event and in sum."""
    kinds = dict.fromkeys(row["class"] for row in rows)
    by_class = [{"class": kind, **_totals([row for row in rows if row["class"] == kind])} for kind in kinds]
    return {"family": RECORDER, "table": by_class, "total": _totals(rows)}


def goal(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """That no run of the ``rows`` wrote outside the recorder's memory, with the figure and whether it holds."""
    total = _totals(rows)
    return {
        "goal": "no flipped bit of the event data recorder reaches beyond its own memory",
        "figure": f"{total['written outside']} of {total['faults']} runs",
        "holds": total["written outside"] == 0,
    }


def _totals(rows: list[dict[str, Any]]) -> dict[str, int]:
    return {key: sum(row[key] for row in rows) for key in COUNTED}
