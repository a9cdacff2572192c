"""The export's commands: export, validate, report."""

from __future__ import annotations

from pathlib import Path

import click

from crumple.cli import emit, force_option, json_option, out_option, progress, table
from crumple.errors import CheckFailedError, ConfigError


@click.command("export", epilog="Example: crumple export model --out export")
@click.argument("model", type=click.Path(path_type=Path))
@out_option("export")
@click.option(
    "--profile",
    type=click.Choice(["exact16", "small8", "dsp"]),
    default="exact16",
    show_default=True,
    help="exact16: portable, fewest instructions. small8: least flash, needs 8-bit weights. dsp: two products an"
    " instruction where the compiler has them.",
)
@click.option("--prefix", default="crumple", show_default=True, help="What every file and public name begins with.")
@click.option(
    "--address",
    default="0x08000000",
    show_default=True,
    help="Where the parameter image lies in the controller's memory.",
)
@force_option
@json_option
def export_command(model: Path, out: Path, profile: str, prefix: str, address: str, force: bool, as_json: bool) -> None:
    """Print the MODEL folder as C99, parameter image (bin, hex, s19, a2l), self-tests and ONNX (integer and float)."""
    from .profiles import PROFILES
    from .stages import export_stage

    artefact = export_stage(
        model, out, profile=PROFILES[profile], prefix=prefix, address=_address(address), force=force
    )
    rows = [(name, (out / name).stat().st_size, digest) for name, digest in sorted(artefact.files.items())]
    document = {"export": str(artefact.path), "files": dict(artefact.files)}
    emit(document, table("Exported files", ("file", "bytes", "SHA-256"), rows), as_json=as_json)


def _address(text: str) -> int:
    """A 32-bit address, hexadecimal with 0x or decimal, that leaves room for any image. Raises ConfigError."""
    try:
        address = int(text, 0)
    except ValueError:
        address = -1
    if not 0 <= address <= 0xFFF0_0000:
        raise ConfigError(f"--address {text}: expected a number from 0 to 0xFFF00000, such as 0x08000000")
    return address


@click.command("validate", epilog="Example: crumple validate model export corpus --out validation")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("export", type=click.Path(path_type=Path))
@click.argument("corpus", nargs=-1, type=click.Path(path_type=Path))
@out_option("validation")
@force_option
@json_option
def validate_command(
    model: Path, export: Path, corpus: tuple[Path, ...], out: Path, force: bool, as_json: bool
) -> None:
    """Compare Python, C and ONNX of MODEL and EXPORT on every window of each CORPUS, and on stress signals.

    Exits 1 if a single count differs anywhere.
    """
    from .stages import validate_stage

    with progress("validate", 1) as advance:
        artefact = validate_stage(model, export, list(corpus), out, force=force, advance=advance)
    found = artefact.payload
    rows = [
        ("windows compared", found["n_windows"]),
        ("C differs", found["c_differs"]),
        ("ONNX differs", found["onnx_differs"]),
        ("confirmation differs", found["confirmation_differs"]),
        (f"scalar reference differs (of {found['n_scalar']})", found["scalar_differs"]),
        ("compiler", found["compiler"]),
    ]
    emit({"validation": found}, table("One answer everywhere", ("what", "count"), rows), as_json=as_json)
    wrong = found["c_differs"] + found["onnx_differs"] + found["confirmation_differs"] + found["scalar_differs"]
    if wrong:
        raise CheckFailedError(f"{export}: {wrong} of {found['n_windows']} answers differ from the reference")


@click.command("report", epilog="Example: crumple report crumple-demo --out crumple-demo/report.html")
@click.argument("project", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="HTML file to write; PROJECT/report.html if left out.",
)
@force_option
def report_command(project: Path, out: Path | None, force: bool) -> None:
    """Render one self-contained HTML page from the artefacts in the PROJECT folder. It computes nothing."""
    from .report.page import write_report

    out = out or project / "report.html"
    write_report(project, out, force=force)
    click.echo(f"{out}: {out.stat().st_size} bytes")
