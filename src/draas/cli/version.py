"""`draas version`."""

import click

from draas import __version__
from draas.cli.calling import call
from draas.cli.output import print_fields, print_json


@click.command()
@click.option("--controller", is_flag=True, help="The controller's too, and how it is set up.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def version(controller: bool, as_json: bool) -> None:
    """Print the version."""
    about = call(lambda client: client.about()) if controller else None
    if as_json:
        print_json({"version": __version__, **({"controller": about} if about is not None else {})})
        return
    click.echo(f"draas {__version__}")
    if about is None:
        return
    hub = about["docker_hub"]
    print_fields(
        {
            "controller": about["version"],
            "address": about["url"],
            "since": about["started_at"],
            "keys": "none needed from its machine (--open)" if about["is_open"] else "",
            "apps": f"NAME.{about['apps_domain']}",
            "tls": {"own": f"by its own CA, {about['fingerprint']}", "given": "with a given certificate"}.get(
                about["tls"], "none"
            ),
            "certificates": about["acme"],
            "pushes to": f"{hub['registry']} as {hub['username']}" if hub is not None else "",
            "blobs": about["blobs"],
            "data": about["data_dir"],
        }
    )
