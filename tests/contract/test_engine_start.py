"""A real Docker Engine started by hand, in namespaces of its own that take everything with them when they end."""

import subprocess
import sys

import pytest

# Its own /run, /var/lib/docker and /var/log: the machine's engine is neither seen nor touched.
BOOT = """
set -e
ip link set lo up
for folder in /run /var/lib/docker /var/log; do mkdir -p $folder; mount -t tmpfs tmpfs $folder; done
{before}
{python} -m draas.cli.engine_setup
echo again
{python} -m draas.cli.engine_setup
echo done
"""


def boot(before: str = "") -> subprocess.CompletedProcess[str]:
    script = BOOT.format(python=sys.executable, before=before)
    unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
    return subprocess.run(
        [*unshare, "sh", "-c", script], env=environment, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.needs("root", "netns", "dockerd")
def test_it_starts_once_and_then_is_there() -> None:
    done = boot(before="echo 1 >/run/docker.pid")  # as a power cut leaves it: a pid that is somebody else's now
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done
    assert len(lines) == 3, done
    assert lines[0].startswith("starting Docker Engine: ")
    assert lines[1:] == ["again", "done"]


@pytest.mark.needs("root", "netns", "dockerd")
def test_an_engine_that_cannot_start_is_told_with_its_last_words() -> None:
    done = boot(before="mkdir -p /run/docker.sock/in-the-way")
    assert done.returncode == 1, done
    *words, last = done.stdout.splitlines()
    assert any(line.startswith("dockerd: ") for line in words), done
    assert last.startswith("no containers on this machine, host jobs only: dockerd ended while starting"), done
