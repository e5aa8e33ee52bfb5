"""Checks the dashboard: types by tsc, style and common mistakes by biome. `python web/check.py`."""

import subprocess
import sys

from build import MODULES, WEB, CannotBuild, find_node, install_modules


def main() -> int:
    """0 where both are content."""
    try:
        node = find_node()
        install_modules(node, tools=True)
    except CannotBuild as error:
        print(error, file=sys.stderr)
        return 1
    checks = (
        (MODULES / "typescript" / "bin" / "tsc", "--noEmit"),
        (MODULES / "@biomejs" / "biome" / "bin" / "biome", "ci", "--max-diagnostics=200", "."),
    )
    codes = [subprocess.run([node, *check], cwd=WEB, timeout=300, check=False).returncode for check in checks]
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
