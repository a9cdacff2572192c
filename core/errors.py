"""Every error that crumple raises on purpose.

::

    CrumpleError                      exit code
    |-- ConfigError (ValueError)              2   configuration, usage, unknown key
    |-- WouldOverwriteError (FileExistsError) 2   refusing to replace what is there
    |-- InputDataError (ValueError)           3   the input cannot be believed
    |   |-- TraceFormatError                  3   a recording's file format
    |   |-- ChannelError                      3   a channel is missing, failed, or of the wrong unit
    |   |-- SignalError                       3   samples: NaN, window outside the trace, wrong rate
    |   |-- CorpusError                       3   a corpus is empty, one-class, of another sensor
    |   `-- ArtefactError                     3   tampered, foreign, or of another schema
    |-- OutputError (OSError)                 3   cannot write where asked
    |-- ModelError (ValueError)               3   integers that break a model's own rules
    |-- CheckFailedError (AssertionError)     1   a property or comparison failed
    |-- CompileError (RuntimeError)           1   the C compiler refused code that crumple wrote
    |-- ToolMissingError (RuntimeError)       4   an optional tool is not installed
    |-- WorkersError (RuntimeError)           4   a scheduler cannot be reached, or workers die at a shard
    `-- UndecidedError (RuntimeError)         5   the prover could not decide

Each leaf is also a fitting builtin, so callers may catch either. ``main()`` alone turns them into one
line and an exit code.
"""

from __future__ import annotations


class CrumpleError(Exception):
    """Base of all errors raised on purpose; ``exit_code`` is what the command line returns."""

    exit_code = 70


class ConfigError(CrumpleError, ValueError):
    """Configuration or usage: names the file and the key."""

    exit_code = 2


class WouldOverwriteError(CrumpleError, FileExistsError):
    """Something is already there and nobody asked to replace it."""

    exit_code = 2


class InputDataError(CrumpleError, ValueError):
    """Input data cannot be believed: names the file, the place and what was expected."""

    exit_code = 3


class TraceFormatError(InputDataError):
    """A recording breaks its own file format."""


class ChannelError(InputDataError):
    """A channel is missing, has failed, or carries a unit that cannot be used."""


class SignalError(InputDataError):
    """Samples cannot be used: NaN, a window outside the trace, an unfitting rate."""


class CorpusError(InputDataError):
    """A corpus cannot serve: empty, one class only, made with another sensor."""


class ArtefactError(InputDataError):
    """An artefact was changed after it was written, is foreign, or has another schema."""


class OutputError(CrumpleError, OSError):
    """The place to write to cannot be written."""

    exit_code = 3


class ModelError(CrumpleError, ValueError):
    """Integers that break a model's own rules, such as an accumulator that could overflow."""

    exit_code = 3


class CheckFailedError(CrumpleError, AssertionError):
    """A property does not hold or two implementations differ: the run worked, its answer is no."""

    exit_code = 1


class CompileError(CrumpleError, RuntimeError):
    """The C compiler refused code that crumple wrote: always a bug or a broken compiler."""

    exit_code = 1


class ToolMissingError(CrumpleError, RuntimeError):
    """An optional tool is not installed; the message says how to get it."""

    exit_code = 4


class WorkersError(CrumpleError, RuntimeError):
    """Those who were to do the work cannot be reached, or die of it; what they finished is kept."""

    exit_code = 4


class UndecidedError(CrumpleError, RuntimeError):
    """The prover could not decide; never counted as proved."""

    exit_code = 5
