"""Names and certificates of apps on several machines: a DNS node answers, every ingress shows the certificate, renewed without a lost request."""

import asyncio
import ssl
from collections.abc import Iterator
from typing import Any

import pytest

from draas.testing.app_lab import AppLab, app_body
from draas.testing.certificates import TestAuthority
from draas.testing.dns_query import Answered, ask
from draas.testing.lab import Lab
from draas.testing.waiting import wait_for

HOST = "shop.example.org"
DNS_NODE = "m3"


@pytest.fixture
def apps(lab: Lab) -> Iterator[AppLab]:
    """The verbs; afterwards every app is gone."""
    opened = AppLab(lab)
    yield opened
    opened.remove_all()


def resolve(apps: AppLab, name: str) -> Answered:
    """What the DNS node answers."""
    address = apps.lab.agent(DNS_NODE).machine.address
    try:
        return asyncio.run(ask(name, (address, 53)))
    except (OSError, TimeoutError) as error:
        return Answered(f"no answer: {error!r}", [])


def test_an_apps_name_resolves_to_the_ingresses_as_long_as_there_is_the_app(apps: AppLab) -> None:
    ingresses = sorted(apps.lab.agent(name).machine.address for name in ("m1", "m2"))
    apps.deploy("shop", app_body())
    wait_for(lambda: resolve(apps, "shop.apps.test"), lambda got: got.addresses == ingresses, "shop resolves")
    assert resolve(apps, "other.apps.test").code == "NXDOMAIN"
    assert resolve(apps, "example.org").code == "REFUSED"
    apps.remove("shop")
    wait_for(lambda: resolve(apps, "shop.apps.test"), lambda got: got.code == "NXDOMAIN", "shop does not resolve")


async def shown(apps: AppLab, authority: TestAuthority, ingress: str) -> str:
    """The serial number of the certificate that `ingress` shows for HOST; why there is none."""
    trust = ssl.create_default_context(cadata=authority.pem)
    address = apps.lab.agent(ingress).machine.address
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(address, 443, ssl=trust, server_hostname=HOST)
    except (OSError, TimeoutError) as error:
        return f"none: {error}"
    certificate: Any = writer.get_extra_info("peercert")
    writer.close()
    return str(certificate["serialNumber"])


async def test_a_certificate_is_shown_by_every_ingress_and_renewed_without_a_lost_request(apps: AppLab) -> None:
    authority = TestAuthority()
    await apps.aside(apps.deploy, "shop", app_body(domains=[HOST]))

    def give() -> None:
        chain, key = authority.sign(HOST)
        apps.call("PUT", f"/api/certificates/{HOST}", {"chain": chain, "key": key})

    def until_shown(before: str) -> str:
        for ingress in ("m1", "m2"):
            now = wait_for(
                lambda at=ingress: asyncio.run(shown(apps, authority, at)),
                lambda seen: not seen.startswith("none") and seen != before,
                f"{ingress} shows the certificate",
            )
        return now

    await apps.aside(give)
    first = await apps.aside(until_shown, "")
    async with apps.load("shop", 60.0) as load:
        await asyncio.sleep(0.5)
        await apps.aside(give)
        assert await apps.aside(until_shown, first) != first
        await asyncio.sleep(0.5)
    tally = load.tally()
    assert tally.failed == 0, tally
    assert [one["host"] for one in apps.call("GET", "/api/certificates")["items"]] == [HOST]
    apps.call("DELETE", f"/api/certificates/{HOST}")


def test_https_only_leads_there(apps: AppLab) -> None:
    apps.deploy("shop", app_body(https={"redirect": True}))
    wait_for(lambda: apps.fetch("shop")[0], lambda status: status == 308, "http leads to https")


def test_load_brings_replicas_and_calm_takes_them_away(apps: AppLab) -> None:
    apps.deploy("shop", app_body(replicas={"min": 1, "max": 3}, autoscale={"requests_per_s": 20}))
    apps.wait_served("shop", " 1\n")

    async def send() -> None:
        async with apps.load("shop", 60.0) as load:
            await apps.aside(apps.wait, "shop", lambda app: app["wanted"] == 3, "three are wanted")
            await apps.aside(apps.wait_live, "shop", 3)
        tally = load.tally()
        assert tally.failed == 0, tally

    asyncio.run(send())
    reasons = [one["reason"] for one in apps.call("GET", "/api/apps/shop/scalings")["items"]]
    assert any("requests/s a replica, target 20" in reason for reason in reasons), reasons
    apps.wait("shop", lambda app: app["wanted"] == 1 and len(app["replicas"]) == 1, "one again", 150)
