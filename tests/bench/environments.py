"""Throw-away environments below .local/bench: for programs that Dreamland itself does not depend on."""

import subprocess
import sys
from collections.abc import Sequence

from tests.bench import harness


def python_with(name: str, packages: Sequence[str]) -> str:
    """The interpreter of the environment `name`, which has these packages; made once."""
    directory = harness.SERVER_ROOT / name
    python, made = directory / "bin" / "python", directory / "installed.txt"
    wanted = "\n".join(packages)
    if not made.exists() or made.read_text() != wanted:
        subprocess.run(["uv", "venv", "--clear", "--quiet", "--python", sys.executable, directory], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *packages], cwd=harness.ROOT, check=True)
        made.write_text(wanted)
    return str(python)
