"""What a DNS node answers, as text, and the orders it takes."""

import pytest

from draas.ingress.dns import DnsSetup, Names, check_forward, forwards, render_arguments, render_hosts
from draas.model.route import AppRoute, HostPath
from draas.wire.link import Routes


def a_route(app: str, *hosts: str) -> AppRoute:
    return AppRoute(app=app, hosts=tuple(HostPath(host=host) for host in hosts))


FULL = Routes(
    epoch=1,
    generation=1,
    put=[
        a_route("shop", "shop.apps.home", "shop.localhost", "www.bank.example", "eu.shop.apps.home"),
        a_route("blog", "blog.apps.home"),
    ],
    full=True,
    ingresses=["10.0.0.5", "fd00::5"],
    apps_domain="apps.home",
)


def test_names_under_the_apps_domain_lead_to_every_ingress_and_foreign_ones_nowhere() -> None:
    assert render_hosts(Names().take(FULL)) == (
        "10.0.0.5 blog.apps.home\nfd00::5 blog.apps.home\n"
        "10.0.0.5 eu.shop.apps.home\nfd00::5 eu.shop.apps.home\n"
        "10.0.0.5 shop.apps.home\nfd00::5 shop.apps.home\n"
    )


def test_a_deleted_app_has_no_name_and_other_addresses_replace_the_old() -> None:
    names = Names().take(FULL).take(Routes(epoch=1, generation=2, put=[], forget=["shop"]))
    assert render_hosts(names) == "10.0.0.5 blog.apps.home\nfd00::5 blog.apps.home\n"
    names = names.take(Routes(epoch=1, generation=3, put=[], ingresses=["10.0.0.6"]))
    assert render_hosts(names) == "10.0.0.6 blog.apps.home\n"


def test_an_older_order_changes_nothing_and_a_whole_table_leaves_nothing_behind() -> None:
    names = Names().take(FULL)
    assert names.take(Routes(epoch=0, generation=9, put=[], full=True)) == names
    assert render_hosts(names.take(Routes(epoch=2, generation=1, put=[], full=True))) == ""


def test_a_host_that_is_no_name_reaches_no_file() -> None:
    evil = Routes(
        epoch=1, generation=1, put=[a_route("x", "a\n6.6.6.6 bank.apps.home")], full=True, ingresses=["10.0.0.5"]
    )
    assert render_hosts(Names(domain="apps.home").take(evil)) == ""


def test_other_names_are_refused_unless_there_is_whom_to_ask() -> None:
    assert render_arguments(DnsSetup(address="10.0.0.9"), "apps.home", "/run/h") == (
        "--keep-in-foreground", "--conf-file=/dev/null", "--log-facility=/dev/null", "--pid-file=", "--port=53",
        "--listen-address=10.0.0.9", "--bind-interfaces", "--no-hosts", "--addn-hosts=/run/h", "--local=/apps.home/",
        "--local-ttl=5", "--no-resolv",
    )  # fmt: skip
    asking = render_arguments(DnsSetup(address="10.0.0.9", forward=("10.0.0.1", "10.0.0.2")), "apps.home", "/run/h")
    assert asking[-5:] == (
        "--bogus-priv", "--cache-size=1000", "--no-resolv", "--server=10.0.0.1", "--server=10.0.0.2",
    )  # fmt: skip
    assert "--no-resolv" not in render_arguments(DnsSetup(address="10.0.0.9", forward=("system",)), "apps.home", "/h")


def test_a_public_address_never_forwards() -> None:
    setup = DnsSetup(address="93.184.216.34", forward=("10.0.0.1",))
    assert not forwards(setup)
    assert "--server=10.0.0.1" not in render_arguments(setup, "apps.home", "/h")


def test_what_is_no_address_is_no_server() -> None:
    assert check_forward(["10.0.0.1", "system", "fd00::1"]) == ("10.0.0.1", "system", "fd00::1")
    with pytest.raises(ValueError, match="'router' is no IP address; give one, or system"):
        check_forward(["router"])
