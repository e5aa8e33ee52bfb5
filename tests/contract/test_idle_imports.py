"""What a controller and an agent have loaded once they stand: nothing that only some of them ever need.

Each of these is megabytes for as long as the process lives; one import at the top of a file brings them back unnoticed.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from draas.testing.waiting import wait_for

ADMIN = "admin-key-for-this-test-0123456789"
DRAAS = (sys.executable, "-X", "importtime", "-m", "draas")  # tells each module on stderr as it is loaded
CONTROLLER_NEEDS_NO = ("aiodocker", "aiohttp", "alembic", "cryptography.x509", "draas.agent", "obstore", "rich", "yaml")
AGENT_NEEDS_NO = (
    "cryptography",
    "draas.server",
    "fastapi",
    "numpy",
    "pydantic",
    "rich",
    "sqlalchemy",
    "uvicorn",
    "yaml",
)


@contextmanager
def started(folder: Path, words: str, *arguments: str) -> Iterator[None]:
    """The program from when it has said `words`, which is where it waits for work."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DRAAS_")}
    environ = kept | {"HOME": str(folder), "DRAAS_ADMIN_KEY": ADMIN}
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen((*DRAAS, *arguments, "--data-dir", str(folder)), env=environ, stdout=log, stderr=log)
    try:
        said = wait_for((folder / "log").read_text, lambda text: words in text or process.poll() is not None, words)
        assert words in said, said[-2000:]
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def loaded(folder: Path, unneeded: Sequence[str]) -> set[str]:
    """Which of `unneeded` the program that logs to `folder` has loaded."""
    modules = re.findall(r"^import time:[^|]+\|[^|]+\| +(\S+)$", (folder / "log").read_text(), re.MULTILINE)
    assert "draas.lib.log" in modules, modules[-10:]  # or the list is not what it is taken for
    return {name for name in unneeded for module in modules if f"{module}.".startswith(f"{name}.")}


def test_what_stands_idle_has_loaded_only_what_it_needs(tmp_path: Path) -> None:
    controller, agent = tmp_path / "controller", tmp_path / "agent"
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with started(controller, "DRaaS controller at", "server", "--listen", address):
        join = ("join", f"http://{address}", join_token(f"http://{address}"), "--allow-host-jobs=plain")
        with started(agent, "[info   ] linked", *join):
            assert (loaded(controller, CONTROLLER_NEEDS_NO), loaded(agent, AGENT_NEEDS_NO)) == (set(), set())


def join_token(url: str) -> str:
    asked = urllib.request.Request(f"{url}/api/join-tokens", b"{}", {"Authorization": f"Bearer {ADMIN}"})
    asked.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(asked, timeout=30) as answer:
        return str(json.load(answer)["token"])
