"""Source lab: three machines that reach nobody but each other and the controller, one of which builds; and a user's command line.

The base images are made of Debian's packages (draas.testing.base_images), under the official names.
"""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from draas.client.settings import save_config
from draas.testing.app_lab import AppLab
from draas.testing.base_images import import_words
from draas.testing.controller_process import ControllerProcess
from draas.testing.lab import AgentOn, Lab
from draas.testing.rack import Rack

ROOT = Path(__file__).resolve().parents[3]
DISK_BYTES = 4 * 1024**3
IMPORT_S, COMMAND_S = 240, 240
BASES: Mapping[str, str] = {"python": "python:3.13-slim", "node": "node:22-slim", "nginx": "nginx:alpine"}
ROLES = (("worker", "builder", "ingress"), ("worker",), ("worker",))


@contextmanager
def source_lab(folder: Path, bases: Mapping[str, str] = BASES) -> Iterator[AppLab]:
    """m1 builds and is the ingress, m2 and m3 run apps as m1 does. `folder` is the controller's, and not there yet."""
    with Rack(len(ROLES), disk_bytes=DISK_BYTES) as rack:
        controller = ControllerProcess(folder, rack.address)
        try:
            controller.start()
            for name, tag in bases.items():
                rack.machines[0].run("docker", *import_words(name, tag), timeout_s=IMPORT_S)
            lab = Lab(controller, [AgentOn(m, roles=roles) for m, roles in zip(rack.machines, ROLES, strict=True)])
            lab.join_all()
            yield AppLab(lab)
        finally:
            controller.close()


def typed(apps: AppLab, line: str) -> "subprocess.CompletedProcess[str]":
    """What a user sees of one line, typed at the root of the tree."""
    home = apps.controller.folder.parent / "user"
    save_config(home / "draas" / "config.toml", apps.controller.settings)
    return subprocess.run(
        ["bash", "-c", line],
        cwd=ROOT,
        env={"XDG_CONFIG_HOME": str(home), "HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )


def deployed(apps: AppLab, line: str) -> "subprocess.CompletedProcess[str]":
    """The same, and it must end well. Raises RuntimeError with what was said where it does not."""
    told = typed(apps, line)
    if told.returncode != 0:
        raise RuntimeError(f"{line} gave {told.returncode}\n{told.stdout}{told.stderr}")
    return told
