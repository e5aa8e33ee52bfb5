"""Image check: images of the controller's registry are looked for when a job or an app asks for one, not when a node pulls it."""

from collections.abc import MutableSequence

from starlette.requests import Request

from draas.lib.values import replace
from draas.model.app_spec import AppSpec
from draas.model.errors import Fault, Invalid
from draas.model.image_name import CLUSTER_HOST
from draas.model.job import JobSpec, RuntimeName
from draas.server.api.faults import MAX_FAULTS
from draas.server.api.guard import api_of, key_of

_NO_REGISTRY = Invalid("the request is not valid", (Fault("image", "this controller keeps no images"),))


async def check_app_image(request: Request, spec: AppSpec) -> AppSpec:
    """`spec` with what its image is built for. Raises Invalid where it is not there, or another project's."""
    if not _is_ours(spec.image):
        return spec
    return replace(spec, architectures=await _find(request, spec.image))


async def check_job_image(request: Request, spec: JobSpec) -> JobSpec:
    """The same for a job."""
    if spec.runtime is not RuntimeName.DOCKER or spec.image is None or not _is_ours(spec.image):
        return spec
    return replace(spec, architectures=await _find(request, spec.image))


async def check_batch_images(request: Request, specs: MutableSequence[JobSpec]) -> None:
    """The same for all of a batch, in place; each image is looked for once. Raises Invalid with a fault for each job."""
    found: dict[str, tuple[str, ...] | Invalid] = {}
    faults: list[Fault] = []
    for at, spec in enumerate(specs):
        image = spec.image
        if spec.runtime is not RuntimeName.DOCKER or image is None or not _is_ours(image):
            continue
        if image not in found:
            try:
                found[image] = await _find(request, image)
            except Invalid as wrong:
                found[image] = wrong
        known = found[image]
        if isinstance(known, Invalid):
            faults += [Fault(f"jobs[{at}].{fault.path}", fault.message) for fault in known.faults]
        else:
            specs[at] = replace(spec, architectures=known)
    if faults:
        raise Invalid("the batch is not valid; none of its jobs was taken", tuple(faults[:MAX_FAULTS]))


def _is_ours(image: str) -> bool:
    return image.startswith(f"{CLUSTER_HOST}/")


async def _find(request: Request, image: str) -> tuple[str, ...]:
    platforms = api_of(request).platforms
    if platforms is None:
        raise _NO_REGISTRY
    return await platforms.find(image, key_of(request).project)
