"""`draas dashboard`: a link with which a browser signs in once, with the rights of the caller's key."""

import sys

import click

from draas.cli.calling import call
from draas.cli.output import print_json, say


@click.command()
@click.option("--open", "is_open", is_flag=True, help="Open it in the browser of this desktop as well.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--quiet", "-q", is_flag=True, help="The link alone.")
def dashboard(is_open: bool, as_json: bool, quiet: bool) -> None:
    """Print a link to the dashboard that signs in once, within 10 minutes, with the rights of your key.

    It works with a controller on another machine, too, if DRAAS_URL is an address that the browser reaches. With --open
    the link is, for a moment, in the list of processes, which other users of this machine can see.
    """
    from draas.client.api import Client
    from draas.wire.views import SignInLinkView

    async def make(client: Client) -> SignInLinkView:
        made, url = await client.make_sign_in_link(), client.transport.settings.url
        own = f"{url}/sign-in#token={made['token']}" if made["token"] is not None else f"{url}/dashboard"
        return {**made, "url": own}  # the address by which we came is one that works

    made = call(make)
    if as_json:
        print_json(made)
    else:
        click.echo(made["url"])
        if made["token"] is not None and not quiet:
            say("It signs in once, within 10 minutes, with the rights of your key.")
    if is_open and not open_page(made["url"]):
        say("no browser could be opened here: open the link yourself")


def open_page(url: str) -> bool:
    """Whether a browser with windows took it; those of a terminal would take the terminal."""
    import os
    import webbrowser

    has_desktop = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return bool(has_desktop) and webbrowser.open(url)
