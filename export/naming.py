"""Names of the exported code: one prefix for every file and every public name, checked before anything is written."""

from __future__ import annotations

import re
from collections.abc import Mapping

from crumple.errors import ConfigError

DEFAULT_PREFIX = "crumple"
LONGEST = 12
"""Longest prefix: with it the longest public name still differs within the 63 characters that C99 promises."""

_WORDS = """
auto bool break case char const continue default do double else enum extern false float for goto if inline int
long register restrict return short signed sizeof static struct switch true typedef union unsigned void
volatile while
"""
KEYWORDS = frozenset(_WORDS.split())


def check_prefix(prefix: str) -> None:
    """Refuse a ``prefix`` that cannot begin the names of a C program. Raises ConfigError saying why."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", prefix, flags=re.ASCII):
        raise ConfigError(
            f"prefix {prefix!r}: not a C identifier in lower case; use letters, digits and single underscores,"
            " starting with a letter"
        )
    if prefix in KEYWORDS:
        raise ConfigError(f"prefix {prefix!r}: is a word of the C language; choose another")
    if len(prefix) > LONGEST:
        raise ConfigError(f"prefix {prefix!r}: has {len(prefix)} characters, at most {LONGEST} are allowed")


def renamed(files: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Files by name, with ``crumple_`` and ``CRUMPLE_`` replaced in their names and texts.

    Parameters
    ----------
    files : mapping
        File name to text.
    prefix : str
        What every name begins with instead.

    Raises
    ------
    ConfigError
        The prefix cannot begin a C name.
    """
    check_prefix(prefix)

    def own(text: str) -> str:
        lower = re.sub(r"\bcrumple_", f"{prefix}_", text)
        return re.sub(r"\bCRUMPLE_", f"{prefix.upper()}_", lower)

    return {own(name): own(text) for name, text in files.items()}
