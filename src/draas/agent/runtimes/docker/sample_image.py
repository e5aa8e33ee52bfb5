"""The sample image: this machine's static busybox as an image, for machines where none can be pulled."""

import asyncio
import platform
import subprocess
from pathlib import Path

from draas.agent.runtimes.docker.api import EngineApi
from draas.agent.runtimes.docker.image_archive import Entry, image_archive
from draas.model.job import SAMPLE_IMAGE

DEFAULT_SAMPLE_IMAGE = SAMPLE_IMAGE
BUSYBOX = Path("/bin/busybox")
# Python's names for machines, in Docker's words.
ARCHES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "riscv64": "riscv64"}


def machine_arch() -> str:
    """This machine's architecture in Docker's words."""
    return ARCHES.get(platform.machine(), platform.machine())


def sample_archive(busybox: Path = BUSYBOX, *, tag: str = DEFAULT_SAMPLE_IMAGE, arch: str | None = None) -> bytes:
    """The archive of an image with `busybox` and a link for each of its applets.

    Raises FileNotFoundError where it is not there (Debian: package busybox-static).
    """
    if not busybox.is_file():
        raise FileNotFoundError(f"{busybox} is missing: apt-get install busybox-static")
    listing = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True, timeout=10)
    folders = [Entry(path) for path in ("bin", "etc", "root", "usr", "usr/bin", "var")]
    return image_archive(
        [
            *folders,
            Entry("tmp", mode=0o1777),
            Entry("bin/busybox", busybox.read_bytes()),
            *(Entry(f"bin/{applet}", link="busybox") for applet in listing.stdout.split() if applet != "busybox"),
            Entry("usr/bin/env", link="/bin/busybox"),
            Entry("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n", mode=0o644),
            Entry("etc/group", b"root:x:0:\nnogroup:x:65534:\n", mode=0o644),
        ],
        tag=tag,
        arch=arch or machine_arch(),
        command=["sh"],
        env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
    )


async def load_sample_image(api: EngineApi, tag: str = DEFAULT_SAMPLE_IMAGE) -> None:
    """Make the sample image known to the engine under `tag`. Raises as EngineApi, and FileNotFoundError without busybox."""
    archive = await asyncio.to_thread(sample_archive, tag=tag)
    await api.call("POST", "images/load", data=archive, quiet="1")
