"""`draas nodes`: list, show, drain, ready, label, rm, token."""

from typing import Any

import click

from draas.cli.calling import call, calling_options
from draas.cli.each import for_each
from draas.cli.lazy import ListGroup
from draas.cli.output import ago, print_fields, print_json, print_table, program, say, size
from draas.cli.units import seconds
from draas.model.resources import MIB

EMPTY_LOOK_S = 0.5


@click.group(cls=ListGroup)
def nodes() -> None:
    """The machines of this cluster. Without a subcommand: list."""


@nodes.command("list")
@calling_options
def list_nodes(as_json: bool, quiet: bool, project: str | None) -> None:
    """List the machines."""
    told = call(lambda client: client.nodes())
    found = told["items"]
    if as_json:
        for node in found:
            print_json(node)
    elif quiet:
        for node in found:
            click.echo(node["name"])
    elif not found:
        click.echo(f"No machines yet. Add one: {program()} nodes token")
    else:
        rows = (
            [
                n["name"],
                n["state"],
                n["arch"],
                _share(n, "cpu_cores", 1),
                _share(n, "memory_mb", MIB),
                f"{n['load']['cpu_percent']:.0f}%",
                _disk(n["load"]),
                ago(n["last_seen"]),
                n["address"] or "-",
            ]
            for n in found
        )
        print_table(
            ("NAME", "STATE", "ARCH", "CORES", "MEMORY", "LOAD", "DISK", "SEEN", "ADDRESS"),
            list(rows),
            cut_first=("NAME",),
        )
        _warn(told)


def _disk(load: Any) -> str:
    total = load["disk_total_bytes"]
    return f"{load['disk_used_bytes'] * 100 / total:.0f}%" if total else "-"


def _warn(told: Any) -> None:
    for name, warnings in [("controller", told["warnings"]), *((n["name"], n["warnings"]) for n in told["items"])]:
        for warning in warnings:
            say(f"{name}: {warning}")


def _share(node: Any, field: str, unit: int) -> str:
    used, all_of_it = node["used"][field], node["allocatable"][field]
    if unit == 1:
        return f"{used:g}/{all_of_it:g}"
    return f"{size(used * unit)}/{size(all_of_it * unit)}"


@nodes.command()
@click.argument("name")
@calling_options
def show(name: str, as_json: bool, quiet: bool, project: str | None) -> None:
    """Everything about one machine."""
    node = call(lambda client: client.node(name))
    if as_json:
        print_json(node)
        return
    if quiet:
        click.echo(node["state"])
        return
    load = node["load"]
    print_fields(
        {
            "name": node["name"],
            "id": node["id"],
            "state": node["state"],
            "system": f"{node['os']}/{node['arch']}",
            "address": node["address"],
            "last seen": f"{node['last_seen']} ({ago(node['last_seen'])} ago)" if node["last_seen"] else "never",
            "roles": ", ".join(node["roles"]),
            "labels": ", ".join(f"{k}={v}" for k, v in node["labels"].items()),
            "cores": f"{node['used']['cpu_cores']:g} reserved of {node['allocatable']['cpu_cores']:g}; load {load['cpu_percent']:.0f}%",
            "memory": f"{size(node['used']['memory_mb'] * MIB)} reserved of {size(node['allocatable']['memory_mb'] * MIB)}; in use {size(load['memory_used_bytes'])}",
            "disk": f"{size(load['disk_used_bytes'])} used of {size(load['disk_total_bytes'])}",
            "network": _network(load),
            "GPUs": ", ".join(node["gpus"]) or "none",
            "runtimes": "\n".join(_runtime(runtime) for runtime in node["runtimes"]),
            **_ingress(node["ingress"]),
            "warnings": "\n".join(node["warnings"]),
            "images": "\n".join(
                f"{', '.join(i['tags']) or i['id'][:19]} ({size(i['size_bytes'])})" for i in node["images"]
            ),
        }
    )


def _network(load: Any) -> str:
    received, sent = load["received_bytes_per_s"], load["sent_bytes_per_s"]
    return f"{size(received)}/s received, {size(sent)}/s sent" if received is not None else "not measured"


def _ingress(ingress: Any) -> dict[str, str]:
    """What the ingress and DNS roles do here; nothing where the node has neither."""
    if ingress is None:
        return {}
    ports = " and ".join(str(port) for port in (ingress["http_port"], ingress["https_port"]) if port)
    faults = [f"{app}: {reason}" for app, reason in sorted(ingress["faults"].items())]
    return {
        "ingress": f"{ingress['proxy']} on port {ports}" if ports else "",
        "DNS": f"answers at {ingress['dns']}" if ingress["dns"] else "",
        "lacks": "\n".join(filter(None, (ingress["missing"], *faults))),
    }


def _runtime(runtime: Any) -> str:
    if not runtime["available"]:
        return f"{runtime['name']}: {runtime['missing']}"
    more = runtime["isolation"] or runtime["version"]
    return f"{runtime['name']} ({more})" if more else runtime["name"]


def _patch(names: tuple[str, ...], as_json: bool, quiet: bool, **changes: Any) -> None:
    for_each(
        names,
        lambda client, name: client.patch_node(name, **changes),
        lambda _name, node: f"{node['name']} {node['state']}",
        as_json=as_json,
        quiet=quiet,
    )


@nodes.command()
@click.argument("names", nargs=-1, required=True)
@calling_options
def drain(names: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Give these machines nothing new; what runs there ends in peace."""
    _patch(names, as_json, quiet, state="draining")


@nodes.command()
@click.argument("names", nargs=-1, required=True)
@calling_options
def ready(names: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Use these machines again."""
    _patch(names, as_json, quiet, state="ready")


@nodes.command()
@click.argument("name")
@click.argument("labels", nargs=-1, required=True)
@calling_options
def label(name: str, labels: tuple[str, ...], as_json: bool, quiet: bool, project: str | None) -> None:
    """Set labels (K=V), or take them away (K-)."""
    changes: dict[str, str | None] = {}
    for item in labels:
        key, equals, value = item.partition("=")
        if equals:
            changes[key] = value
        elif item.endswith("-") and len(item) > 1:
            changes[item[:-1]] = None
        else:
            raise click.UsageError(f"a label is K=V, or K- to take it away, not {item!r}")
    _patch((name,), as_json, quiet, labels=changes)


@nodes.command("rm")
@click.argument("names", nargs=-1, required=True)
@click.option("--force", is_flag=True, help="At once: do not wait until apps have moved away.")
@calling_options
def remove(names: tuple[str, ...], force: bool, as_json: bool, quiet: bool, project: str | None) -> None:
    """Remove machines for good: apps move away first, jobs are run elsewhere, keys are revoked."""

    async def remove_one(client: Any, name: str) -> dict[str, str]:
        node = await client.node(name)
        if not force and node["state"] in ("ready", "draining"):
            await _empty(client, node, quiet or as_json)
        await client.remove_node(name)
        return {"name": name, "state": "removed"}

    for_each(names, remove_one, lambda name, _: f"{name} removed", as_json=as_json, quiet=quiet)


async def _empty(client: Any, node: Any, silent: bool) -> None:
    """Drain the machine and wait until no replica of an app is there."""
    import asyncio

    told = ""
    await client.patch_node(node["name"], state="draining")
    while here := [
        app["name"]
        for app in (await client.apps())["items"]
        if any(one["node_id"] == node["id"] for one in (await client.app(app["name"]))["replicas"])
    ]:
        line = f"waits for {', '.join(sorted(here))} to move away from {node['name']} (--force removes it at once)"
        if line != told and not silent:
            say(line)
        told = line
        await asyncio.sleep(EMPTY_LOOK_S)


@nodes.command()
@click.option("--ttl", metavar="TIME", help="How long it is good for: 10m, 1d (default: an hour).")
@calling_options
def token(ttl: str | None, as_json: bool, quiet: bool, project: str | None) -> None:
    """Make a token with which one machine may join."""
    made = call(
        lambda client: client.make_join_token(seconds(ttl, "--ttl") if ttl is not None else None), {"ttl_s": "--ttl"}
    )
    if as_json:
        print_json(made)
    elif quiet:
        click.echo(made["token"])
    else:
        click.echo(f"On the machine that is to join, until {made['expires_at']}:\n\n  {made['command']}\n")
