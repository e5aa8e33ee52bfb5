"""A wheel built from the tree installs and runs where the tree is not."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from draas import __version__

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sysconfig.get_path("scripts")) / "uv"


def run(*command: object, cwd: Path = Path("/")) -> str:
    """What `command` printed. Its environment is the machine's, certificates and mirrors included, but knows nothing of the tree."""
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True, timeout=100, check=False
    )  # fmt: skip
    assert done.returncode == 0, done
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment that holds the wheel and what the lock file says."""
    folder = tmp_path_factory.mktemp("wheel")
    # hatchling is here already (requirements-dev.lock), so the build needs no network.
    run(UV, "build", "-q", "--wheel", "--no-build-isolation", "--python", sys.executable, "-o", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    run(UV, "venv", "-q", "--python", sys.executable, folder / "venv")
    install = (UV, "pip", "install", "-q", "--python", folder / "venv" / "bin" / "python")
    run(*install, "--require-hashes", "-r", ROOT / "requirements.lock")
    run(*install, "--no-deps", wheel)
    return folder / "venv" / "bin"


def test_the_program_runs_without_the_tree(installed: Path) -> None:
    assert run(installed / "draas", "version") == f"draas {__version__}\n"
    assert "Commands:" in run(installed / "draas", "--help")
    assert run(installed / "python", "-m", "draas", "version") == f"draas {__version__}\n"


def test_it_comes_from_the_wheel(installed: Path) -> None:
    where = run(installed / "python", "-c", "import draas; print(draas.__file__)")
    assert where.startswith(str(installed.parent))


def test_the_dashboard_is_in_it(installed: Path) -> None:
    program = "from draas.server.web.routes import BUILT, is_built; print(is_built(), len(list(BUILT.glob('assets/*.js.br'))))"
    built, scripts = run(installed / "python", "-c", program).split()
    assert built == "True"
    assert int(scripts) > 10


def test_what_it_needs_is_in_the_lock(installed: Path) -> None:
    run(UV, "pip", "check", "-q", "--python", installed / "python")


def test_the_database_is_made_without_the_tree(installed: Path, tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys; from draas.store.sql import SqlStore; "
        "print(asyncio.run(SqlStore(pathlib.Path(sys.argv[1])).open()).epoch)"
    )
    assert [run(installed / "python", "-c", program, tmp_path) for _ in range(2)] == ["1\n", "2\n"]
