"""Labels on images: by these they are known as made by DRaaS. None changes from build to build, or an unchanged image would be a new one."""

from draas.agent.runtimes.build.order import Order
from draas.agent.runtimes.docker.container_body import OWNER

REPOSITORY = "draas.repository"


def render_labels(order: Order) -> list[str]:
    """As NAME=VALUE. Pure."""
    return [f"{OWNER}={order.owner}", f"{REPOSITORY}={order.build.repository}"]
