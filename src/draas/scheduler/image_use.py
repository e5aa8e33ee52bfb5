"""Image use: which images and sources of the controller's registry the cluster needs, and for what. Pure."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass

from draas.model.app import App
from draas.model.cluster import Cluster
from draas.model.errors import Invalid
from draas.model.image_name import CLUSTER_HOST, Digest, Repository, Tag, image_key, parse_cluster_image
from draas.model.job import DEFAULT_PROJECT, Job, ProjectName
from draas.model.node import Node
from draas.model.policy import Policy
from draas.model.release import Release, ReleaseState

SOURCES_KEPT = 3  # of each repository's newest builds, however old: to build again from
_NOW = frozenset({ReleaseState.PENDING, ReleaseState.ROLLING, ReleaseState.LIVE})
Reference = tuple[Repository, Tag | Digest]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Who needs it, in words for people who may see `project`."""

    project: ProjectName
    told: str


def images_in_use(cluster: Cluster, policy: Policy) -> dict[Reference, list[User]]:
    """By tag or digest, as whoever needs them names them."""
    found: dict[Reference, list[User]] = {}
    for name, user in _named(cluster, policy):
        reference = _reference(name)
        if reference is not None and user not in (users := found.setdefault(reference, [])):
            users.append(user)
    return found


def names_in_use(cluster: Cluster, policy: Policy) -> set[str]:
    """What whoever needs an image calls it, whatever registry it is of, each in one spelling (image_key); ids as they are."""
    names = {policy.default_image}
    for app in cluster.apps.values():
        releases = kept_releases(app, policy.images_keep_releases)
        names |= {name for release in releases for name in (release.image, release.spec.image)}
        names |= {replica.observed.image for replica in app.replicas}
    names |= {job.spec.image or "" for job in cluster.jobs.values()}
    names |= {held.observed.image for job in cluster.jobs.values() if (held := job.current) is not None}
    return {image_key(name) for name in names if name}


def kept_on(node: Node, names: Container[str]) -> tuple[str, ...]:
    """The ids of those of the node's images that `names` (of names_in_use) has by any of their names."""
    return tuple(
        image.id
        for image in node.facts.images
        if image.id in names or any(image_key(tag) in names for tag in image.tags)
    )


def kept_releases(app: App, keep: int) -> list[Release]:
    """The releases of `app` whose images stay: the newest, `keep` besides, and what serves or is about to."""
    newest = app.releases[-(keep + 1) :]
    return [one for one in app.releases if one in newest or one.state in _NOW or one.number == app.live]


def sources_in_use(cluster: Cluster, ended: Iterable[Job] = ()) -> dict[tuple[Repository, Digest], list[User]]:
    """Sources of builds that are not over, and of each repository's newest of `ended`, which are newest first."""
    found: dict[tuple[Repository, Digest], list[User]] = {}
    for job in cluster.jobs.values():
        if job.spec.build is not None and job.spec.build.source is not None:
            key = (job.spec.build.repository, job.spec.build.source)
            found.setdefault(key, []).append(User(project=job.project, told=f"build {job.id}"))
    counts: dict[Repository, set[Digest]] = {}
    for job in ended:
        build = job.spec.build
        if build is None or build.source is None:
            continue
        newest = counts.setdefault(build.repository, set())
        if build.source in newest or len(newest) < SOURCES_KEPT:
            newest.add(build.source)
            found.setdefault((build.repository, build.source), []).append(
                User(project=job.project, told=f"build {job.id}, to build again")
            )
    return found


def words(users: Mapping[Reference, Iterable[User]]) -> dict[Reference, list[str]]:
    """For who may see all projects."""
    return {reference: [user.told for user in some] for reference, some in users.items()}


def _named(cluster: Cluster, policy: Policy) -> Iterator[tuple[str, User]]:
    yield policy.default_image, User(project=DEFAULT_PROJECT, told="jobs that name no image")
    for app in sorted(cluster.apps.values(), key=lambda app: app.name):
        for release in kept_releases(app, policy.images_keep_releases):
            user = User(project=app.project, told=f"app {app.name}, release {release.number}")
            yield release.image, user
            yield release.spec.image, user
        for replica in app.replicas:
            yield replica.observed.image, User(project=app.project, told=f"app {app.name}")
    for job in cluster.jobs.values():
        held = job.current
        named = [job.spec.image or "", held.observed.image if held is not None else ""]
        if held is not None and held.observed.built is not None:
            named.append(held.observed.built.image)
        for name in named:
            if name.startswith(CLUSTER_HOST):  # of thousands of jobs most are not
                yield (
                    name,
                    User(project=job.project, told=f"{'build' if job.spec.build is not None else 'job'} {job.id}"),
                )


def _reference(name: str) -> Reference | None:
    try:
        return parse_cluster_image(name)
    except Invalid:
        return None
