"""Which blobs builds still need."""

from collections.abc import Iterable, Set

from draas.model.image_name import Digest, Repository
from draas.model.job import Job


def sources_in_use(jobs: Iterable[Job]) -> Set[tuple[Repository, Digest]]:
    """The sources of the builds among `jobs` that have not ended."""
    return {
        (build.repository, build.source)
        for job in jobs
        if job.live and (build := job.spec.build) is not None and build.source is not None
    }
