"""Docker Hub: as what an image that was built is pushed there too, where the owner asked for that."""

import msgspec

from draas.model.image_name import Repository, project_of_repository
from draas.model.job import DEFAULT_PROJECT
from draas.model.login import Login
from draas.server.config import DockerHub
from draas.wire.link import Assignment


def with_push(assignment: Assignment, hub: DockerHub | None) -> Assignment:
    """`assignment`; a build's image goes to `hub` under each of its tags, or under the build's id where it has none."""
    order = assignment.build
    if order is None or hub is None:
        return assignment
    login = Login(host=hub.registry, username=hub.username, password=hub.password)
    name = hub_name(order.repository, hub)
    also = {f"{name}:{tag}": login for tag in order.tags or (assignment.job_id,)}
    return msgspec.structs.replace(
        assignment, build=msgspec.structs.replace(order, also_push={**order.also_push, **also})
    )


def hub_name(repository: Repository, hub: DockerHub) -> str:
    """There a name has two parts: docker.io/USERNAME/NAME, or USERNAME/PROJECT-NAME for another project than `default`."""
    project = project_of_repository(repository)
    name = repository.removeprefix(f"{project}/").replace("/", "-")
    return f"{hub.registry}/{hub.username.lower()}/{name if project == DEFAULT_PROJECT else f'{project}-{name}'}"
