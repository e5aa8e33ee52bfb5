"""NodeRights: which repositories a node may read and write, by what is placed on it now. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from draas.model.allocation import Desired, NodeId
from draas.model.cluster import Cluster
from draas.model.errors import Invalid
from draas.model.image_name import Repository, parse_cluster_image, project_of_repository


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRights:
    """`images` are repositories whose images it runs, `targets` those that its builds make.

    A build may start from any image of its own project, so that all repositories of `projects` may be read while it runs.
    """

    images: frozenset[Repository] = frozenset()
    targets: frozenset[Repository] = frozenset()
    projects: frozenset[str] = frozenset()

    def may_read(self, repository: Repository) -> bool:
        """Whether the node needs what is in it."""
        return (
            repository in self.images
            or repository in self.targets
            or project_of_repository(repository) in self.projects
        )

    def may_write(self, repository: Repository) -> bool:
        """Whether a build that is to run on the node makes images of it."""
        return repository in self.targets


def node_rights(cluster: Cluster, node: NodeId) -> NodeRights:
    """What the allocations on `node` that have not ended give it."""
    targets: set[Repository] = set()
    projects: set[str] = set()
    for job, held in cluster.on_node(node):
        build = job.spec.build
        if build is not None and held.desired is Desired.RUN and project_of_repository(build.repository) == job.project:
            targets.add(build.repository)
            projects.add(job.project)
    images = {found for image in _images_on(cluster, node) if (found := _repository_of(image)) is not None}
    return NodeRights(images=frozenset(images), targets=frozenset(targets), projects=frozenset(projects))


def _images_on(cluster: Cluster, node: NodeId) -> Iterator[str]:
    for job, _ in cluster.on_node(node):
        yield job.spec.image or ""
    for app, replica in cluster.replicas_on(node):
        release = app.release(replica.release)
        yield release.spec.image if release is not None else app.spec.image
        yield release.image if release is not None else ""


def _repository_of(image: str) -> Repository | None:
    try:
        named = parse_cluster_image(image)
    except Invalid:  # kept from a version that took it: nothing can be pulled by that name
        return None
    return named[0] if named is not None else None
