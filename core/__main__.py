"""The front door: ``crumple VERB``. Each verb is one command in its stage's ``commands.py``, loaded on demand."""

from __future__ import annotations

import difflib
import importlib
import logging
import sys

import click

from . import __version__, interrupts
from .errors import CrumpleError

# verb -> (module, one line for the list); in the order of work.
COMMANDS = {
    "demo": ("crumple.demo", "The whole chain on defaults, and on a real recording with --crash."),
    "init": ("crumple.project_commands", "Write a commented project file with the reference requirements."),
    "run": ("crumple.project_commands", "Bring every stage of a project up to date."),
    "status": ("crumple.project_commands", "Say what is up to date, what is stale and why."),
    "generate": (
        "crumple.signals.commands",
        "Generate a labelled corpus of synthetic crash and misuse events.",
    ),
    "import": ("crumple.signals.commands", "Read measured recordings into a corpus."),
    "augment": ("crumple.signals.augment_command", "Join corpora into one to train on, and vary what was measured."),
    "signals": ("crumple.signals.look_commands", "Look at a corpus or a recording: show, plot, stats."),
    "calibrate": ("crumple.signals.calibration_command", "Hold the synthetic crashes against measured ones."),
    "train": ("crumple.model.commands", "Train a net and quantise it to the integers that ship."),
    "prove": ("crumple.model.commands", "Prove the requirements on the deployed integers."),
    "tradeoff": (
        "crumple.model.tradeoff_command",
        "Show which requirements conflict, and what immunity costs in time.",
    ),
    "check": ("crumple.model.commands", "Re-check every certificate in a folder, trusting nobody."),
    "evaluate": ("crumple.model.evaluation.commands", "Evaluate the deployed integers on every event of a corpus."),
    "crossvalidate": (
        "crumple.model.crossvalidation_command",
        "Train on part of the events, judge on the rest: by mode, vehicle, fold or seed.",
    ),
    "ablate": ("crumple.model.ablation_command", "Change one choice of the net at a time, and measure what it buys."),
    "compare": ("crumple.model.baselines.commands", "Compare the net with classical rules and learned baselines."),
    "explain": ("crumple.model.analysis.commands", "Say why the integers fire, or do not, on one event."),
    "firemap": ("crumple.model.analysis.commands", "Map what is proved to fire in time and what never to."),
    "cover": (
        "crumple.model.evaluation.coverage_command",
        "Say which proved set each measured event lies in, and what lies outside.",
    ),
    "kernels": ("crumple.model.analysis.commands", "Draw the matched filters that decide events, count the patterns."),
    "corridor": (
        "crumple.model.analysis.profiles_command",
        "Print a requirement about bi-slope or tipped square pulses.",
    ),
    "limits": ("crumple.model.analysis.commands", "Find how far each requirement could be pushed."),
    "diff": ("crumple.model.analysis.commands", "Say what changes for each property from one model to another."),
    "export": ("crumple.export.commands", "Print the deployed model as C99 and ONNX."),
    "validate": ("crumple.export.commands", "Compare Python, C and ONNX, count for count."),
    "simulate": ("crumple.firmware_sim.commands", "Run the exported C in the simulated airbag controller."),
    "edr": (
        "crumple.firmware_sim.edr_command",
        "Decode an event data recorder's image, and hold it against its input.",
    ),
    "target": ("crumple.firmware_sim.commands", "Run it as Cortex-M machine code, counted and compared."),
    "faults": ("crumple.firmware_sim.commands", "Try every single fault on the simulated controller."),
    "campaign": (
        "crumple.campaign_command",
        "Run a plan by the million events, on all cores or on a cluster; stop and go on.",
    ),
    "report": ("crumple.export.commands", "Render the safety-analysis report from artefacts."),
}

EXIT_INTERNAL = 70
EXIT_INTERRUPTED = 130


class LazyGroup(click.Group):
    """Imports a command's module only when that command is used, so that start-up stays fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb, whatever ``ctx``."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command behind the verb ``cmd_name``, its module imported now; None (in any ``ctx``) if unknown."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command = getattr(module, f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Click's own, except that an unknown verb at the head of ``args`` is told its nearest (usage of ``ctx``)."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known verbs: {', '.join(COMMANDS)}"
            raise click.UsageError(f"unknown verb {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs to ``formatter`` from the table, so that ``ctx``'s help imports no command."""
        with formatter.section("Commands, in the order of work"):
            formatter.write_dl([(verb, text) for verb, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="crumple")
@click.option("-v", "--verbose", is_flag=True, help="More log lines on stderr.")
@click.option("-q", "--quiet", is_flag=True, help="Only errors on stderr.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def crumple(verbose: bool, quiet: bool, debug: bool) -> None:
    """Airbag crash classifiers that can be proved.

    Start with `crumple demo`. Every verb explains itself with --help and an example.
    """
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s", force=True)
    logging.getLogger("crumple").setLevel(level)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; errors become one line on stderr and an exit code.

    Parameters
    ----------
    arguments : list of str or None
        Words after ``crumple``; None takes them from the command line.

    Returns
    -------
    int
        0 done, 1 a property or comparison failed, 2 usage or configuration, 3 bad input data, 4 an
        optional tool is missing, 5 undecided, 70 a bug in crumple, 130 interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    if debug:  # accepted anywhere on the line, since that is where one adds it
        arguments = ["--debug", *(argument for argument in arguments if argument != "--debug")]
    try:
        with interrupts.heard():
            result = crumple.main(args=arguments, prog_name="crumple", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        error.show(file=sys.stderr)
        return 2
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; finished stages are kept, run the same command to go on", err=True)
        return EXIT_INTERRUPTED
    except CrumpleError as error:
        if debug:
            raise
        for line in str(error).splitlines():
            click.echo(f"crumple: {line}", err=True)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:
        if debug:
            raise
        click.echo(f"crumple: internal error: {type(error).__name__}: {error}", err=True)
        click.echo("crumple: this is a bug; run again with --debug and report the traceback", err=True)
        return EXIT_INTERNAL


if __name__ == "__main__":
    sys.exit(main())
