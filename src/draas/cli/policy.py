"""The `[policy]` table of controller.toml: the spans by which the controller decides. deploy/controller.toml.example explains each."""

import difflib
import itertools
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import click

from draas.model.errors import Invalid
from draas.model.host_name import check_domain
from draas.model.policy import Policy


def read_policy(table: Any) -> Policy:
    """The policy with what the file says; the defaults for the rest. Raises click.UsageError naming the setting and the remedy."""
    if not isinstance(table, Mapping):
        raise click.UsageError("policy must be a table: write [policy] on a line of its own")
    known = {field.name: field for field in fields(Policy)}
    for name, value in table.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise click.UsageError(f"policy.{name} is not known" + (f"; did you mean {near[0]}?" if near else ""))
        _check_value(name, value, known[name].default)
    policy = Policy(**_checked_domain(table))
    _check_order(policy)
    return policy


def _checked_domain(table: Mapping[str, Any]) -> Mapping[str, Any]:
    if "apps_domain" not in table:
        return table
    try:
        return {**table, "apps_domain": check_domain(table["apps_domain"], "policy.apps_domain")}
    except Invalid as error:
        raise click.UsageError(error.detail) from None


def _check_value(name: str, value: Any, default: Any) -> None:
    if isinstance(default, str):
        if not isinstance(value, str) or not value:
            raise click.UsageError(f"policy.{name} must be text in quotes, not {value!r}")
        return
    whole = isinstance(default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or not 0 < value < 1e12:
        raise click.UsageError(f"policy.{name} must be a {'whole ' if whole else ''}number above 0, not {value!r}")


def _check_order(policy: Policy) -> None:
    """A span that is shorter than the one it waits for would lose machines that are well."""
    growing = ("heartbeat_s", "disconnected_after_s", "down_after_s")
    for short, long in itertools.pairwise(growing):
        if getattr(policy, short) >= getattr(policy, long):
            raise click.UsageError(f"policy.{long} must be longer than {short} ({getattr(policy, short):g} s)")
    if policy.lease_s < 2 * policy.heartbeat_s:
        raise click.UsageError(
            f"policy.lease_s must be at least twice heartbeat_s ({policy.heartbeat_s:g} s): each heartbeat renews it"
        )
