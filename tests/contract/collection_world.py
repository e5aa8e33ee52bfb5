"""A registry's folder in which time has passed, and the real collection over it. As a script: collections that die by SIGKILL.

`collection_world.py FOLDER STEP [BUCKET]` collects in FOLDER (and BUCKET, an s3:// URL) and dies just before (STEP odd: just after) its STEP // 2th deletion.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from image_stores import images_in

from draas.model.bucket import Bucket, parse_bucket
from draas.model.cluster import Cluster
from draas.model.event import Event
from draas.model.job import Job
from draas.model.plan import Plan
from draas.model.policy import Policy
from draas.server.loops.collection import Collection
from draas.server.registry.images import Images
from draas.server.registry.manifest import read_manifest
from draas.testing.builders import a_job

DAY = 86400.0


class World:
    """What the collection sees of the controller; `events` is what it noted."""

    def __init__(self, images: Images, folder: Path, policy: Policy | None = None) -> None:
        self.cluster = Cluster()
        self.events: list[Event] = []
        self.builds: list[Job] = []  # that are over, newest first
        self.care = Collection(images, folder, policy or Policy(), lambda: self.cluster, self._ended_builds, self._note)

    def use(self, *images: str) -> None:
        """Have a job need each of these."""
        known = len(self.cluster.jobs)
        self.cluster.apply(Plan(jobs=tuple(a_job(known + at, image=one) for at, one in enumerate(images))))

    async def _ended_builds(self) -> list[Job]:
        return self.builds

    async def _note(self, event: Event) -> None:
        self.events.append(event)


def age(folder: Path, seconds: float, *parts: str) -> None:
    """Make everything in the folder (whose path has all of `parts`) so much older."""
    for path in folder.rglob("*"):
        if path.is_file() and all(part in str(path) for part in parts):
            at = path.stat().st_mtime - seconds
            os.utime(path, (at, at))


def size_of(*folders: Path) -> int:
    """Bytes of all that is in these folders, which may be the same."""
    return sum(path.stat().st_size for folder in set(folders) for path in folder.rglob("*") if path.is_file())


def check_sound(folder: Path, bytes_in: Path | None = None) -> int:
    """Every manifest has all that it refers to, and every tag its manifest. How many manifests there are.

    `bytes_in` has the bytes of blobs, where `folder` has not.
    """
    count = 0
    top = folder / "repositories"
    for path in top.rglob("_manifests/*"):
        count += 1
        repository = path.parents[1]
        media_type, _, content = path.read_bytes().partition(b"\n")
        manifest = read_manifest(content, media_type.decode())
        for blob in manifest.blobs:
            name = blob.removeprefix("sha256:")
            assert (repository / "_blobs" / name).exists(), f"{path} lacks its link to {blob}"
            assert ((bytes_in or folder) / "blobs" / "sha256" / name[:2] / name).exists(), f"{path} lacks {blob}"
        for listed in manifest.manifests:
            assert (repository / "_manifests" / listed.removeprefix("sha256:")).exists(), f"{path} lacks {listed}"
    for path in top.rglob("_tags/*"):
        named = path.read_text().removeprefix("sha256:")
        assert (path.parents[1] / "_manifests" / named).exists(), f"{path} names nothing"
    return count


def blobs_in(folder: Path) -> set[str]:
    return {path.name for path in (folder / "blobs").rglob("*") if path.is_file()}


async def collect_and_die(folder: Path, step: int, bucket: Bucket | None) -> None:
    left, unlink = step // 2, Path.unlink

    def counted(path: Path, missing_ok: bool = False) -> None:
        nonlocal left
        left -= 1
        if left == 0 and step % 2 == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        unlink(path, missing_ok)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    images = images_in(folder, bucket)
    Path.unlink = counted  # type: ignore[method-assign]
    await World(images, folder).care.collect(is_urgent=True)
    await images.blobs.close()
    await images.manifests.close()


if __name__ == "__main__":
    given = [parse_bucket(url) for url in sys.argv[3:]]
    asyncio.run(collect_and_die(Path(sys.argv[1]), int(sys.argv[2]), given[0] if given else None))
