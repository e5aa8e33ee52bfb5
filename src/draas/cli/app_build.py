"""`build` of an app in draas.yaml: where the source is and how it is built. Raises click.UsageError naming file and line."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from draas.cli.build_options import BuildOptions
from draas.cli.source import Folder, Git, Given, source_of

if TYPE_CHECKING:
    from draas.cli.app_file import AppInFile

KEYS = ("context", "dockerfile", "args", "target")
# Stands for the image that a build will make, where a plan is asked for before it.
NOT_BUILT_YET = "draas.invalid/not-built-yet"
BUILD, SOURCE = "draas.build", "draas.source"  # labels of an app: what made its image, and of what
_LIKELY_PORT = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class AppBuild:
    """What is built for an app, `shown` as the file has it."""

    given: Given
    options: BuildOptions
    shown: str


def build_in(app: "AppInFile", file: str, flags: BuildOptions) -> AppBuild | None:
    """What `build` of the app says, with `flags` beside it; None where there is none."""
    said = app.fields.get("build")
    if said is None:
        return None
    if app.fields.get("image") is not None:
        raise _wrong(app, file, "build", "and image are given: one of them says what runs")
    fields: Mapping[str, Any] = {"context": said} if isinstance(said, str) else said
    if not isinstance(fields, Mapping):
        raise _wrong(
            app, file, "build", "must be a folder such as . or fields such as {context: ., dockerfile: Dockerfile}"
        )
    for key in fields:
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, n=1)
            told = f"did you mean {near[0]}?" if near else f"known are {', '.join(KEYS)}"
            raise _wrong(app, file, f"build.{key}", f"is not known; {told}")
    texts = {key: fields.get(key) or "" for key in ("context", "dockerfile", "target")}
    for key, text in texts.items():
        if not isinstance(text, str):
            raise _wrong(app, file, f"build.{key}", "must be text")
    context = texts["context"] or "."
    options = replace(
        flags, args=_args(app, file, fields.get("args")), dockerfile=texts["dockerfile"], target=texts["target"]
    )
    given = _source(app, file, context)
    shown = f"{context.rstrip('/')}/" if isinstance(given, Folder) else context
    return AppBuild(given=given, options=options, shown=shown)


def _source(app: "AppInFile", file: str, context: str) -> Given:
    """`context` as seen from the folder that `file` is in."""
    beside = Path() if file == "-" else Path(file).parent
    field = "build.context" if "build.context" in app.lines else "build"
    try:
        # A git URL is none of the file system's.
        alone = source_of(context) if "://" in context or "@" in context else None
        return alone if isinstance(alone, Git) else source_of(str(beside / context))
    except click.UsageError as error:
        raise _wrong(app, file, field, f"cannot be built: {error.message}") from None


def _args(app: "AppInFile", file: str, args: Any) -> dict[str, str]:
    if args is None:
        return {}
    if not isinstance(args, Mapping):
        raise _wrong(app, file, "build.args", "must be names and values such as {VERSION: 1.2}")
    for name, value in args.items():
        if not isinstance(value, str):
            raise _wrong(app, file, f"build.args.{name}", "must be one value")
    return dict(args)


def declared(app: "AppInFile") -> dict[str, Any]:
    """The app's fields, where `port: null` says what nothing else does: that it serves nothing, whatever is found."""
    fields = dict(app.fields)
    if "port" in fields and fields["port"] is None and fields.get("health") is None:
        fields["health"] = "none"
    return fields


def _wrong(app: "AppInFile", file: str, field: str, told: str) -> click.UsageError:
    return click.UsageError(f"{file} line {app.line_of(field)}: {field} {told}")


def before_build(fields: Mapping[str, Any], old: Mapping[str, Any], port: int | None) -> dict[str, Any]:
    """The app's fields as they can be checked before its image is there: with what a build made for `old`. `port` is what is known of it."""
    kept = {name: value for name, value in (old.get("labels") or {}).items() if name in (BUILD, SOURCE)}
    labels = {"labels": {**(fields.get("labels") or {}), **kept}} if kept else {}
    image = old.get("image") or NOT_BUILT_YET
    return _with_port({**_without_build(fields), **labels, "image": image}, old.get("port") or port or _LIKELY_PORT)


def after_build(fields: Mapping[str, Any], built: Any, port: int | None) -> dict[str, Any]:
    """The app's fields with the image of a build, and with the port that was found where none was given."""
    source = built["source"]["digest"] if built["source"] is not None else built["git"]
    labels = {**(fields.get("labels") or {}), BUILD: built["id"], SOURCE: source}
    return _with_port({**_without_build(fields), "image": built["image"], "labels": labels}, built["port"] or port)


def without_build_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Those of an app whose image comes from elsewhere from now on."""
    return {name: value for name, value in labels.items() if name not in (BUILD, SOURCE)}


def _without_build(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != "build"}


def _with_port(fields: dict[str, Any], port: int | None) -> dict[str, Any]:
    """`health: none` without a port says that it serves nothing."""
    health = fields.get("health")
    serves_nothing = health == "none" or (isinstance(health, Mapping) and health.get("none"))
    if fields.get("port") is not None or port is None or serves_nothing:
        return fields
    return {**fields, "port": port}
