"""What an app of a file would change, asked of the controller; what it finds wrong is told with the file's lines."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from draas.cli.app_build import AppBuild, before_build
from draas.cli.output import say

if TYPE_CHECKING:
    from draas.cli.app_file import AppInFile


async def plan_in_file(
    client: Any, app: "AppInFile", fields: Mapping[str, Any], file: str, project: str | None
) -> dict[str, Any]:
    """The plan for `fields`, which are those of `app`. Raises SystemExit after saying what is wrong on which line, DraasError."""
    from draas.model.errors import Invalid

    try:
        planned: dict[str, Any] = await client.plan_app(app.name, fields, project)
    except Invalid as error:
        told = [
            f"{file} line {app.line_of('app' if fault.path == 'name' else fault.path)}: "
            f"{'app' if fault.path == 'name' else fault.path} {fault.message}"
            for fault in error.faults
        ]
        say("\n".join(f"draas: {one}" for one in told or [f"{file}: {error.detail}"]))
        raise SystemExit(2) from None
    return planned


async def plan_before_build(
    client: Any, app: "AppInFile", build: AppBuild, fields: Mapping[str, Any], file: str, project: str | None
) -> dict[str, Any]:
    """The same for an app whose image is still to be built: all but its image."""
    spec = await spec_of(client, app.name)
    if spec and not await client.has_image(spec["image"]):
        spec["image"] = None  # it would be refused, and is built anew anyway
    planned = await plan_in_file(client, app, before_build(fields, spec, None), file, project)
    found = () if fields.get("port") is not None or spec else ("port",)  # by the build
    changes = [one for one in planned["changes"] if one["path"] != "image" and one["path"] not in found]
    return {**planned, "changes": changes, "build": build.shown}


async def spec_of(client: Any, name: str) -> dict[str, Any]:
    """The app's fields as they are now, {} where there is none. Raises DraasError."""
    from draas.model.errors import NotFound

    try:
        spec: dict[str, Any] = (await client.app(name))["spec"]
    except NotFound:
        return {}
    return spec
