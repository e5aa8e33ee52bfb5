"""Image use: which images and sources of the controller's registry the cluster needs, and for what. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from draas.model.app import App
from draas.model.cluster import Cluster
from draas.model.errors import Invalid
from draas.model.image_name import Digest, Repository, Tag, parse_cluster_image
from draas.model.job import DEFAULT_PROJECT, Job, ProjectName
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
    """The same as they are named, whatever registry they are of."""
    return {name for name, _ in _named(cluster, policy) if name}


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
        user = User(project=job.project, told=f"{'build' if job.spec.build is not None else 'job'} {job.id}")
        yield job.spec.image or "", user
        if (held := job.current) is not None:
            yield held.observed.image, user
            yield held.observed.built.image if held.observed.built is not None else "", user


def _reference(name: str) -> Reference | None:
    try:
        return parse_cluster_image(name)
    except Invalid:
        return None
