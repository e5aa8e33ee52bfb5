"""Secrets of builds: sealed before they are written, opened for the node that builds and for nobody else."""

from collections.abc import Mapping

from draas.lib.sealing import Sealer
from draas.model.job import Job, JobId, ProjectName


def about_secret(project: ProjectName, id: JobId, name: str) -> str:
    """What a secret is bound to: it opens in no other build."""
    return f"secret {name} of build {id} in {project}"


def open_secrets(job: Job, sealer: Sealer) -> Mapping[str, str]:
    """The secrets of a build, by id. Raises Unsealable."""
    sealed = job.spec.build.sealed_secrets if job.spec.build is not None else {}
    return {
        name: sealer.open(secret, about_secret(job.project, job.id, name)).decode() for name, secret in sealed.items()
    }
