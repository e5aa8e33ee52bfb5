"""Ask: what placing needs to know of a job. Jobs that ask the same are placed alike, so they are judged once."""

from typing import NamedTuple

from draas.model.image_name import Tag, cluster_image, image_key
from draas.model.job import JobSpec, RuntimeName
from draas.model.resources import Resources

Amounts = tuple[int, int, int]  # cpu in thousandths of a core, memory in bytes, GPUs


class Shape(NamedTuple):
    """What decides where a job can run at all."""

    need: Amounts
    runtime: RuntimeName
    constraints: tuple[str, ...]
    architectures: tuple[str, ...] = ()  # that its image is built for; none: not known


class Ask(NamedTuple):
    """A shape, and the image that decides where it runs best."""

    shape: Shape
    image: str | None


def amounts(resources: Resources) -> Amounts:
    """`resources` as a row of the books."""
    return (resources.cpu_millis, resources.memory_bytes, resources.gpus)


def ask_of(spec: JobSpec) -> Ask:
    """What a job of this spec asks for."""
    image = image_key(spec.image) if spec.image and spec.runtime is RuntimeName.DOCKER else None
    if spec.build is not None:  # who has the image of the build before has its layers too, and so less to do
        tag = spec.build.tags[0] if spec.build.tags else Tag("latest")
        image = cluster_image(spec.build.repository, tag)
    return Ask(Shape(amounts(spec.resources), spec.runtime, spec.constraints, spec.architectures), image)
