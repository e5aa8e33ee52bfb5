"""Pushing a built image, by the engine: to the cluster's registry, which gives its digest, and to others."""

from draas.agent.runtimes.build.classic import lines_of
from draas.agent.runtimes.build.engine import Engine, EngineSaid
from draas.agent.runtimes.build.failure import BuildFailed
from draas.agent.runtimes.build.stopping import Stopping
from draas.agent.runtimes.build.telling import Telling
from draas.agent.runtimes.docker.registry_auth import auth_headers
from draas.model.allocation import Cause
from draas.model.image_name import Digest, parse_digest
from draas.model.login import Login

# The agent, which carries the cluster's images, may be restarting; it is back within seconds.
PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


def push_to_cluster(
    engine: Engine, image_id: str, name: str, tag: str, login: Login, stopping: Stopping, tell: Telling
) -> Digest:
    """Tag and push `name`:`tag`, again where it fails for the moment; the digest. Raises BuildFailed."""
    for pause_s in (*PAUSES_S, 0.0):
        try:
            return push(engine, image_id, name, tag, login, tell)
        except EngineSaid as said:
            if not pause_s:
                raise BuildFailed(
                    Cause.RUNTIME,
                    f"the image could not be pushed to the cluster's registry; it said: {said.message}; "
                    "is the controller reachable, and has it room?",
                ) from None
            tell(f"pushing failed ({said.message}), trying again in {pause_s:g} s")
            stopping.pause(pause_s)
    raise AssertionError("the last try returns or raises")


def push_elsewhere(engine: Engine, image_id: str, image: str, login: Login, tell: Telling) -> None:
    """Push to another registry under the name `image`. Raises BuildFailed with what that registry said."""
    name, _, tag = image.rpartition(":")
    if not name or "/" in tag:
        name, tag = image, "latest"
    try:
        push(engine, image_id, name, tag, login, tell)
    except EngineSaid as said:
        raise BuildFailed(
            Cause.EXIT,
            f"{image} could not be pushed; {login.host} said: {said.message}: check the controller's DOCKER_USERNAME and "
            "DOCKER_PASSWORD, and what they may do there",
        ) from None
    finally:
        untag(engine, f"{name}:{tag}")


def push(engine: Engine, image_id: str, name: str, tag: str, login: Login, tell: Telling) -> Digest:
    """Once. Raises EngineSaid."""
    engine.call("POST", f"images/{image_id}/tag", repo=name, tag=tag)
    digest = ""
    for message in engine.messages("POST", f"images/{name}/push", headers=auth_headers(login), tag=tag):
        for line in lines_of(message):
            tell(line)
        digest = str((message.get("aux") or {}).get("Digest", digest))
    if not digest:
        raise EngineSaid("the registry gave no digest")
    return parse_digest(digest)


def untag(engine: Engine, image: str) -> None:
    """Let go of a name; the image itself stays under its others."""
    try:
        engine.call("DELETE", f"images/{image}", noprune=1)
    except EngineSaid:
        return
