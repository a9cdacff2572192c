"""Write ``commands.md`` from the commands themselves: ``python docs/reference/commands.py``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from crumple.__main__ import COMMANDS, crumple

PAGE = Path(__file__).with_suffix(".md")
WIDTH = 100
HEAD = """# Commands

Written from the commands themselves by `docs/reference/commands.py`; each says the same with `--help`.

Exit codes: 0 done, 1 a property or comparison failed, 2 usage or configuration, 3 bad input data, 4 an optional tool is
missing, 5 undecided, 70 a bug in crumple, 130 interrupted (run the same command to go on).
"""


def helped(command: click.Command, parent: click.Context, word: str) -> list[str]:
    """The help of a command, and of those below it, as parts of a page; settings are those of its parent."""
    context = click.Context(command, info_name=word, parent=parent)
    parts = [f"## {context.command_path}\n\n```text\n{command.get_help(context).rstrip()}\n```\n"]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            parts += helped(below, context, name)
    return parts


def page() -> str:
    """The whole page."""
    settings = {**crumple.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(crumple, info_name="crumple", **settings)
    parts = [HEAD]
    for verb in COMMANDS:
        command = crumple.get_command(context, verb)
        assert command is not None
        parts += helped(command, context, verb)
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE.name}: {len(COMMANDS)} verbs\n")
