"""Write a corpus shard by shard: counts go to the file as they come, so memory does not grow with them.

What stays in memory is the event table, a few hundred bytes an event. The file is read like any other corpus.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from crumple.config import plain
from crumple.errors import CorpusError

from .batch import LABELS
from .corpus import DATA, NUMBER_COLUMNS, SERIES, SOURCES, TEXT_COLUMNS, Event
from .sensor import SensorPair

CHUNK_SAMPLES = 65_536
DTYPES = {"main_lsb": np.int16, "safing_lsb": np.int16, "physical_decel_g": np.float64}


def write_shards(shards: Iterable[tuple[Event, ...]], sensors: SensorPair, folder: Path) -> dict[str, object]:
    """Write a corpus's payload file into a folder while its events are being made.

    Parameters
    ----------
    shards : iterable of tuple of Event
        As ``generate.shards`` yields them; the same shards give the same bytes.
    sensors : SensorPair
        The sensors that saw the events.
    folder : Path
        An existing folder; its payload file is created.

    Returns
    -------
    dict
        The payload of the corpus's artefact, as ``corpus.write_corpus`` returns it.

    Raises
    ------
    CorpusError
        No events at all, or two of the same name.
    """
    import h5py

    columns: dict[str, list[object]] = {name: [] for name in (*TEXT_COLUMNS, *NUMBER_COLUMNS)}
    lengths: dict[str, list[int]] = {series: [] for series in SERIES}
    with h5py.File(folder / DATA, "w") as file:
        for series in SERIES:
            file.create_dataset(
                series,
                shape=(0,),
                maxshape=(None,),
                dtype=DTYPES[series],
                chunks=(CHUNK_SAMPLES,),
                compression="gzip",
                compression_opts=1,
                shuffle=True,
            )
        for shard in shards:
            for name, values in columns.items():
                values.extend(getattr(event, name) for event in shard)
            for series in SERIES:
                rows = [getattr(event, series) for event in shard]
                lengths[series].extend(row.size for row in rows)
                more = np.concatenate(rows)
                start = file[series].shape[0]
                file[series].resize((start + more.size,))
                file[series][start:] = more
        names = columns["name"]
        if not names or len(set(names)) != len(names):
            raise CorpusError(f"{folder / DATA}: the corpus holds no events, or two of the same name")
        for name in TEXT_COLUMNS:
            texts = [str(text).encode("utf-8") for text in columns[name]]
            width = max(1, *(len(text) for text in texts))
            file.create_dataset(f"event/{name}", data=np.array(texts, dtype=f"S{width}"))
        for name in NUMBER_COLUMNS:
            file.create_dataset(f"event/{name}", data=np.array(columns[name], dtype=np.float64))
        for series in SERIES:
            n = np.array(lengths[series], dtype=np.int64)
            file.create_dataset(f"event/{series}_start", data=np.concatenate([[0], np.cumsum(n)[:-1]]))
            file.create_dataset(f"event/{series}_length", data=n)
    return {
        "sensors": plain(sensors),
        "n_events": len(names),
        "by_label": {label: columns["label"].count(label) for label in LABELS},
        "by_source": {source: columns["source"].count(source) for source in SOURCES},
    }
