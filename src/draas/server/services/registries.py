"""Logins to registries: sealed before they are kept, opened only for the machine that pulls."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from draas.lib import log
from draas.lib.sealing import Sealer, Unsealable
from draas.model.event import Event
from draas.model.job import ProjectName, RuntimeName
from draas.model.login import Login
from draas.model.registry import RegistryLogin, registry_of
from draas.store.store import Write
from draas.wire.link import Assignment


def seal_login(
    project: ProjectName, host: str, username: str, password: str, now: float, sealer: Sealer
) -> RegistryLogin:
    """What is kept of a login. `host` as parse_registry gives it."""
    sealed = sealer.seal(password.encode(), about(project, host))
    return RegistryLogin(project=project, host=host, username=username, sealed_password=sealed, created_at=now)


def open_login(kept: RegistryLogin, sealer: Sealer) -> Login:
    """What opens the registry. Raises Unsealable."""
    password = sealer.open(kept.sealed_password, about(kept.project, kept.host)).decode()
    return Login(host=kept.host, username=kept.username, password=password)


def registry_event(kind: str, login: RegistryLogin, now: float) -> Event:
    """What people are told of it."""
    return Event(at=now, kind=kind, subject=login.host, project=login.project, detail={"username": login.username})


def about(project: ProjectName, host: str) -> str:
    """To what a sealed password is bound. A project's name has no blank."""
    return f"registry {project} {host}"


class Registries:
    """The logins of all projects, by project and host."""

    def __init__(self, logins: Iterable[RegistryLogin] = ()) -> None:
        self._logins: dict[ProjectName, dict[str, RegistryLogin]] = {}
        self.learn(Write(registries=tuple(logins)))

    def learn(self, write: Write) -> None:
        """What is durable now."""
        for login in write.registries:
            self._logins.setdefault(login.project, {})[login.host] = login
        for project, host in write.gone_registries:
            self._logins.get(project, {}).pop(host, None)

    def all(self) -> Sequence[RegistryLogin]:
        return [login for _, hosts in sorted(self._logins.items()) for _, login in sorted(hosts.items())]

    def with_logins(self, assignment: Assignment, sealer: Sealer) -> Assignment:
        """`assignment` with what its image may be pulled with: of its project, for its registry; a build's Dockerfile may name any."""
        kept = self._logins.get(assignment.project)
        wanted = _wanted(assignment, kept) if kept else ()
        logins = tuple(login for one in wanted if (login := _open(one, sealer)) is not None)
        return msgspec.structs.replace(assignment, logins=logins) if logins else assignment


def _wanted(assignment: Assignment, kept: Mapping[str, RegistryLogin]) -> Sequence[RegistryLogin]:
    if assignment.runtime is RuntimeName.BUILD:
        return [login for _, login in sorted(kept.items())]
    if assignment.runtime is not RuntimeName.DOCKER or assignment.image is None:
        return ()
    login = kept.get(registry_of(assignment.image))
    return () if login is None else (login,)


def _open(kept: RegistryLogin, sealer: Sealer) -> Login | None:
    try:
        return open_login(kept, sealer)
    except Unsealable as error:
        log.error(
            "a login's password cannot be opened; give the login again (draas registries add)",
            host=kept.host,
            project=kept.project,
            reason=str(error),
        )
        return None
