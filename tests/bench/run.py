"""Run every benchmark in this folder, one after the other; each prints its own table with sizes and versions.

Figures are recorded in docs/benchmarks.md and never asserted: wall time depends on the machine.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

NAMED = ("numpy", "scipy", "scikit-learn", "onnxruntime")


def main() -> int:
    """Run the benchmarks; the exit code is the first failing one's."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in NAMED)
    sys.stdout.write(f"Python {platform.python_version()}, {versions}\n")
    for script in sorted(Path(__file__).parent.glob("bench_*.py")):
        sys.stdout.write(f"\n== {script.stem.removeprefix('bench_')}\n")
        sys.stdout.flush()
        code = subprocess.run([sys.executable, str(script)], check=False).returncode
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
