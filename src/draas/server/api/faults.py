"""Faults: what pydantic found wrong, told as paths and sentences. Never echoes a value: it may be a secret."""

import difflib
import types
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from draas.model.errors import Fault
from draas.wire import api, app_body, build_body

MAX_FAULTS = 20  # nobody reads more, and a batch may have thousands
_KEY = "[key]"  # pydantic's last step where not a value but the name of an entry is wrong

_PATTERNS = {**api.TOLD, **app_body.TOLD, **build_body.TOLD}
_WORDS = {
    "missing": "is required",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "finite_number": "must be a finite number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is far too large a number",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "too_short": "must have at least {min_length} entries",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "greater_than": "must be more than {gt}",
    "less_than": "must be less than {lt}",
    "literal_error": "must be {expected}",
}


def faults_of(error: ValidationError, model: type[BaseModel], prefix: str = "") -> tuple[Fault, ...]:
    """At most MAX_FAULTS faults. `prefix` is where the object stands in the body ("jobs[3]")."""
    found = error.errors(include_url=False, include_input=False)[:MAX_FAULTS]
    return tuple(_fault(one["type"], one["loc"], one["msg"], one.get("ctx", {}), model, prefix) for one in found)


def faults_of_parts(errors: Iterable[Mapping[str, Any]], model: type[BaseModel] | None = None) -> tuple[Fault, ...]:
    """The same for the plain errors that FastAPI collects of query and path parameters."""
    return tuple(
        _fault(one["type"], tuple(one["loc"][1:]), one["msg"], one.get("ctx") or {}, model, "") for one in errors
    )[:MAX_FAULTS]


def unknown_field(name: str, known: Sequence[str]) -> str:
    """What to say of a field that does not exist: the nearest name that does, or all of them."""
    longer = [field for field in known if len(name) >= 3 and (field.startswith(name) or name.startswith(field))]
    alike = [field for field in known if len(name) >= 3 and field[:3] == name[:3]]
    near = longer or alike or difflib.get_close_matches(name[:64], known, n=1, cutoff=0.5)
    return f"is not known; did you mean {near[0]}?" if near else f"is not known; known are {', '.join(known)}"


def _fault(
    kind: str,
    loc: tuple[int | str, ...],
    text: str,
    context: Mapping[str, Any],
    model: type[BaseModel] | None,
    prefix: str,
) -> Fault:
    named = bool(loc) and loc[-1] == _KEY
    path = _path(loc[:-1] if named else loc, prefix)
    if kind == "extra_forbidden":
        return Fault(path, unknown_field(str(loc[-1]), _fields(model, loc[:-1])))
    if kind == "json_invalid":
        return Fault(path, text[:1].lower() + text[1:])
    if kind == "string_pattern_mismatch":
        return Fault(path, _PATTERNS.get(context["pattern"], text))
    if (words := _WORDS.get(kind)) is not None:
        told = words.format(**context)
        return Fault(path, f"the name {told}" if named else told)
    return Fault(path, text)


def _path(loc: Iterable[int | str], prefix: str) -> str:
    path = prefix
    for step in loc:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step.isidentifier():
            path += f".{step[:128]}" if path else step[:128]
        else:
            path += f"[{step[:128]!r}]"
    return path


def _fields(model: type[BaseModel] | None, loc: Iterable[int | str]) -> list[str]:
    """The names of the fields of the model at `loc`, those that are only there for old clients last."""
    for step in loc:
        inner = model.model_fields.get(str(step)) if model is not None else None
        model = _model_in(inner.annotation) if inner is not None else model
    if model is None:
        return []
    return sorted(model.model_fields, key=lambda name: model.model_fields[name].json_schema_extra is not None)


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, list):
        for part in typing.get_args(annotation):
            if (found := _model_in(part)) is not None:
                return found
    return None
