"""Domains and certificates, decided: what warns and when it is looked at again, and which hosts are due."""

from dataclasses import replace

import pytest

from draas.model.app import App, AppId
from draas.model.certificate import Certificate, Source, certificate_for
from draas.model.job import ProjectName
from draas.scheduler.domains import Resolved, hosts_of, is_due, look, warning_of, warnings_of
from draas.scheduler.renewals import Tried, due_hosts, fail, renew_at
from draas.testing.app_world import an_app_spec

OURS = ("10.0.0.5", "10.0.0.6")
HOST = "shop.example.org"
DAY = 86400.0
NOW = 1000 * DAY


def an_app(*domains: str, port: int | None = 80) -> App:
    spec = an_app_spec(domains=domains, port=port)
    return App(id=AppId("p-1"), name="shop", project=ProjectName("default"), created_at=0.0, spec=spec, wanted=1)


def a_certificate(host: str = HOST, *, left: float, life: float = 90.0, source: Source = Source.ACME) -> Certificate:
    """One with `left` days to go."""
    end = NOW + left * DAY
    return Certificate(
        host=host, chain="", sealed_key=b"", names=(host,), issuer="CA", not_before=end - life * DAY, expires_at=end, source=source
    )  # fmt: skip


HERE = {HOST: Resolved(addresses=OURS[:1], at=NOW, ingresses=OURS)}


def test_hosts_that_somebody_must_point_at_us() -> None:
    app = an_app("shop.example.org/api", "shop.example.org", "nas.lan", "x.apps.home", "y.localhost")
    assert hosts_of(app, "apps.home") == ("shop.example.org", "nas.lan")
    assert hosts_of(app, "apps.example.org")[-1] == "shop.apps.example.org"
    assert hosts_of(an_app("a.org", port=None), "apps.home") == ()
    assert hosts_of(replace(app, removing=True), "apps.home") == ()


@pytest.mark.parametrize(
    ("host", "addresses", "ours", "told"),
    [
        (HOST, ("10.0.0.6", "1.2.3.4"), OURS, ""),
        (HOST, ("1.2.3.4",), (), ""),
        (HOST, (), OURS, "shop.example.org does not resolve: point it at 10.0.0.5, 10.0.0.6"),
        ("nas.lan", (), OURS, ""),
        ("nas.lan", ("10.9.9.9",), OURS[:1], "nas.lan resolves to 10.9.9.9, none of our ingresses (10.0.0.5): right only where"),
        (HOST, ("1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5"), OURS, "1.1.1.4 and 1 more, none of our"),
    ],
)  # fmt: skip
def test_what_warns(host: str, addresses: tuple[str, ...], ours: tuple[str, ...], told: str) -> None:
    found = warning_of(host, addresses, ours)
    assert (told in found) if told else found == ""


def test_what_warns_is_looked_at_again_soon_and_later_seldom() -> None:
    assert is_due(None, OURS, NOW)
    well = look(HOST, OURS, OURS, None, NOW)
    assert not is_due(well, OURS, NOW + 10 * DAY)
    assert is_due(well, OURS[:1], NOW + 1)  # our ingresses have changed
    ill = look(HOST, ("1.2.3.4",), OURS, None, NOW)
    assert not is_due(ill, OURS, NOW + 59)
    assert is_due(ill, OURS, NOW + 60)
    later = look(HOST, ("1.2.3.4",), OURS, ill, NOW + 3600)
    assert later.since == NOW
    assert not is_due(later, OURS, NOW + 3600 + 599)
    assert is_due(later, OURS, NOW + 3600 + 600)
    assert look(HOST, OURS, OURS, later, NOW + 4000).since is None


def test_an_app_is_told_of_its_hosts_alone() -> None:
    ill = look(HOST, ("1.2.3.4",), OURS, None, NOW)
    assert warnings_of(["other.org"], {HOST: ill}, {HOST: "refused"}) == ()
    told = warnings_of([HOST], {HOST: ill}, {HOST: "refused"})
    assert told[1] == "no certificate for shop.example.org: refused"


@pytest.mark.parametrize(
    ("certificates", "due"),
    [
        ((), True),
        ((a_certificate(left=31),), False),
        ((a_certificate(left=29),), True),
        ((a_certificate(left=3, life=6),), False),  # a third of a short life
        ((a_certificate(left=1.9, life=6),), True),
        ((a_certificate("*.example.org", left=31),), False),
        ((a_certificate("*.other.org", left=31),), True),
        ((a_certificate(left=1, source=Source.FILE),), False),  # its owner's to renew
        ((a_certificate(left=-1, source=Source.FILE),), True),
        ((a_certificate(left=100, life=90),), True),  # not good yet
        ((a_certificate(left=29), a_certificate("*.example.org", left=60, source=Source.FILE)), False),
    ],
)
def test_which_hosts_are_due(certificates: tuple[Certificate, ...], due: bool) -> None:
    assert bool(due_hosts([HOST, HOST], certificates, HERE, {}, NOW)) is due


@pytest.mark.parametrize("host", ["shop.localhost", "shop.10-0-0-5.sslip.io", "shop.apps.home", "shop"])
def test_private_names_are_never_due(host: str) -> None:
    assert due_hosts([host], (), {host: HERE[HOST]}, {}, NOW) == ()


def test_a_name_that_leads_nowhere_is_not_tried() -> None:
    assert due_hosts([HOST], (), {}, {}, NOW) == ()
    assert due_hosts([HOST], (), {HOST: look(HOST, (), OURS, None, NOW)}, {}, NOW) == ()
    assert due_hosts([HOST], (), {HOST: look(HOST, ("1.2.3.4",), OURS, None, NOW)}, {}, NOW) == (
        HOST,
    )  # behind a router


def test_failures_are_tried_again_ever_more_seldom() -> None:
    tried, at, waits = None, NOW, []
    for _ in range(9):
        tried = fail(tried, "refused", 0.0, OURS[:1], at)
        assert due_hosts([HOST], (), HERE, {HOST: tried}, tried.not_before - 1) == ()
        assert due_hosts([HOST], (), HERE, {HOST: tried}, tried.not_before) == (HOST,)
        waits.append(tried.not_before - at)
        at = tried.not_before
    assert waits == [900, 1800, 3600, 7200, 14400, 28800, 57600, 86400, 86400]
    assert fail(None, "too many", 7200.0, (), NOW).not_before == NOW + 7200


def test_a_host_that_leads_elsewhere_since_is_tried_at_once_but_not_for_ever() -> None:
    moved = Tried(failures=1, reason="", not_before=NOW + 900, addresses=("1.2.3.4",))
    assert due_hosts([HOST], (), HERE, {HOST: moved}, NOW) == (HOST,)
    assert due_hosts([HOST], (), HERE, {HOST: replace(moved, failures=3)}, NOW) == ()


def test_its_own_certificate_goes_before_a_wildcard() -> None:
    own, wild = a_certificate(left=1), a_certificate("*.example.org", left=9)
    assert certificate_for(HOST, [wild, own]) is own
    assert certificate_for("a.example.org", [wild, own]) is wild
    assert certificate_for("a.b.example.org", [wild, own]) is None
    assert renew_at(a_certificate(left=90)) == NOW + 60 * DAY
