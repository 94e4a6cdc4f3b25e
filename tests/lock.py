"""`python -m tests.lock [--check]`: requirements.lock from pyproject.toml, with names, versions and hashes only."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
LOCK = ROOT / "requirements.lock"
COMPILE = [
    *("uv", "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes"),
    *("--no-annotate", "--no-header", "--no-emit-index-url"),
]


def compiled() -> str:
    """What the lock should say: resolved as of `exclude-newer`, so the same on every machine."""
    return subprocess.run(COMPILE, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def main() -> int:
    text = compiled()
    if "--check" not in sys.argv:
        LOCK.write_text(text)
        return 0
    if text == LOCK.read_text():
        return 0
    sys.stderr.write("requirements.lock is not what pyproject.toml says: run `uv run python -m tests.lock`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
