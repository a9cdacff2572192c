"""The export's commands: export, validate, report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from crumple.artefact import sha256_file
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
@click.option("--prove", is_flag=True, help="Prove the printed files with every tool that is installed.")
@force_option
@json_option
def export_command(
    model: Path, out: Path, profile: str, prefix: str, address: str, prove: bool, force: bool, as_json: bool
) -> None:
    """Print the MODEL folder as C99, parameter image (bin, hex, s19, a2l), self-tests, proof pack and ONNX.

    With --prove it exits 1 if a check of the proof pack failed; a tool that is absent is "not run", never passed.
    """
    from .profiles import PROFILES
    from .stages import export_stage

    artefact = export_stage(
        model,
        out,
        profile=PROFILES[profile],
        prefix=prefix,
        address=_address(address),
        prove=prove,
        force=force,
    )
    rows = [(name, (out / name).stat().st_size, digest) for name, digest in sorted(artefact.files.items())]
    checks = artefact.payload["proofs"]
    document = {"export": str(artefact.path), "files": dict(artefact.files), "proofs": checks}
    text = table("Exported files", ("file", "bytes", "SHA-256"), rows)
    if checks is not None:
        outcomes = [(check["check"], check["verdict"], check["detail"]) for check in checks]
        text += "\n\n" + table("Proof pack", ("check", "verdict", "detail"), outcomes)
    emit(document, text, as_json=as_json)
    wrong = [check["check"] for check in checks or () if check["verdict"] == "failed"]
    if wrong:
        raise CheckFailedError(f"{out}: the proof pack failed: {', '.join(wrong)}; see {out}/proofs.json")


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


@click.command("report", epilog="Example: crumple report crumple-demo; later: crumple report crumple-demo --verify")
@click.argument("project", type=click.Path(path_type=Path), default=".")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="HTML file to write (or to verify); PROJECT/report.html if left out.",
)
@click.option("--verify", is_flag=True, help="Check an existing report: every hash and certificate that it cites.")
@click.option("--pdf", is_flag=True, help="Print it to PDF as well, with a Chromium of this machine.")
@force_option
@json_option
def report_command(project: Path, out: Path | None, verify: bool, pdf: bool, force: bool, as_json: bool) -> None:
    """Render one self-contained HTML page from the artefacts in the PROJECT folder. It computes nothing.

    What is missing, damaged or stale is told on the page, in place, and the exit code is 3. With --verify nothing is
    written: every sentence is checked against its evidence, and the exit code is 1 if one no longer holds.
    """
    from .report.page import write_pdf, write_report

    out = out or project / "report.html"
    if verify:
        _verify(project, out, as_json=as_json)
        return
    write_report(project, out, force=force)
    printed = out.with_suffix(".pdf") if pdf else None
    if printed is not None:
        write_pdf(out, printed)
    document = {
        "report": str(out),
        "bytes": out.stat().st_size,
        "sha256": sha256_file(out),
        "pdf": None if printed is None else str(printed),
    }
    lines = [f"{out}: {out.stat().st_size} bytes", *([] if printed is None else [str(printed)])]
    emit(document, "\n".join(lines), as_json=as_json)


def _verify(project: Path, page: Path, *, as_json: bool) -> None:
    """Tell which sentences of a report still hold. Raises CheckFailedError if one does not."""
    from .report.verify import verify_report

    found = verify_report(project, page)
    broken = [finding for finding in found if not finding.holds]
    rows = [(f.id, f.text, "; ".join(f.reasons), f.mend) for f in broken]
    title = f"{len(found) - len(broken)} of {len(found)} statements of {page} hold"
    text = table(title, ("statement", "what it says", "why it no longer holds", "mended by"), rows) if rows else title
    document = {
        "holding": len(found) - len(broken),
        "total": len(found),
        "statements": [{**asdict(finding), "holds": finding.holds} for finding in found],
    }
    emit(document, text, as_json=as_json)
    if broken:
        raise CheckFailedError(f"{page}: {len(broken)} of {len(found)} statements no longer hold, first {broken[0].id}")
