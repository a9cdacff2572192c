"""Calling other people's format libraries: optional, noisy on failure, and never trusted with sizes."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crumple.errors import CrumpleError, ToolMissingError, TraceFormatError


class _Complaints(logging.Handler):
    """Keeps the first thing that a library logs as a warning or worse."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.first = self.first or record.getMessage()


def optional_library(name: str, path: Path) -> Any:
    """A library of the extra ``io``, imported when a file needs it.

    Parameters
    ----------
    name : str
        Module to import.
    path : Path
        The file that needs it, for the message.

    Raises
    ------
    ToolMissingError
        It is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ToolMissingError(f"{path}: reading this format needs {name}: pip install 'crumple[io]'") from error


def _loggers(library: str) -> list[logging.Logger]:
    """The loggers of a library and of its modules, some of which keep handlers of their own."""
    known = [name for name in logging.root.manager.loggerDict if name.startswith(f"{library}.")]
    return [logging.getLogger(name) for name in (library, *known)]


@contextlib.contextmanager
def guarded(path: Path, library: str) -> Iterator[None]:
    """A block that calls a library: whatever it raises, warns of, prints or logs as a warning refuses the file.

    Libraries read on after damage and say so in a log only; a recording made of what was left is not the
    recording, so that is refused as well.

    Parameters
    ----------
    path : Path
        File being read.
    library : str
        Name of the library, which is also that of its logger.

    Raises
    ------
    TraceFormatError
        One line, with the library's own words.
    """
    complaints = _Complaints()
    printed = io.StringIO()
    before = [(logger, logger.propagate, logger.handlers, logger.level) for logger in _loggers(library)]
    for logger, *_ in before:
        logger.propagate, logger.handlers = False, [complaints]
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for harmless in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
                warnings.simplefilter("ignore", harmless)
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                yield
    except CrumpleError:
        raise
    except Exception as error:  # a foreign library raises anything on damaged input
        said = " ".join(str(error).split())[:160] or type(error).__name__
        raise TraceFormatError(
            f"{path}: {library} cannot read it ({type(error).__name__}: {said}); the file is damaged, get it again"
        ) from error
    finally:
        for logger, propagate, handlers, level in before:
            logger.propagate, logger.handlers = propagate, handlers
            logger.setLevel(level)
    if first := complaints.first or printed.getvalue():
        said = " ".join(first.split())[:160]
        raise TraceFormatError(f"{path}: {library} reports {said!r}; the file is damaged or incomplete, get it again")
