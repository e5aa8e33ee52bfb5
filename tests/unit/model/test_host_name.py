"""Host names: which may have a public certificate, and which a certificate covers."""

import pytest

from draas.model.errors import Invalid
from draas.model.host_name import check_domain, covers, is_public


@pytest.mark.parametrize("host", ["shop.example.org", "a.b.c.de", "xn--bcher-kva.example.org", "example.org"])
def test_names_that_a_public_authority_certifies(host: str) -> None:
    assert is_public(host)


@pytest.mark.parametrize(
    "host",
    ["localhost", "shop.localhost", "shop.10-0-0-5.sslip.io", "shop.apps.home", "nas.local", "shop", "10.0.0.5", "x.home.arpa",
     "a.internal", "", "*.example.org", "shop.test"],
)  # fmt: skip
def test_names_that_nobody_certifies(host: str) -> None:
    assert not is_public(host)


@pytest.mark.parametrize(
    ("name", "host", "good"),
    [
        ("shop.example.org", "shop.example.org", True),
        ("Shop.Example.org", "shop.example.org", True),
        ("*.example.org", "shop.example.org", True),
        ("*.example.org", "a.shop.example.org", False),
        ("*.example.org", "example.org", False),
        ("*.example.org", "*.example.org", True),
        ("*.example.org", "*.other.org", False),
        ("shop.example.org", "example.org", False),
        ("*", "example", False),
    ],
)
def test_what_a_certificate_covers(name: str, host: str, good: bool) -> None:
    assert covers(name, host) is good


def test_a_domain_is_kept_in_lower_case_without_dots_at_its_ends() -> None:
    assert check_domain(" Apps.Home. ", "--apps-domain") == "apps.home"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("*.apps.home", "--apps-domain must be the domain alone, without *.: apps.home"),
        (
            "http://apps.home",
            "--apps-domain must be a domain such as apps.home or apps.example.org, not 'http://apps.home'",
        ),
        ("apps home", "not 'apps home'"),
        ("10.0.0.1", "not '10.0.0.1'"),
        ("", "not ''"),
        ("a" * 64, "must be a domain"),
    ],
)
def test_a_domain_that_is_none_is_told(text: str, message: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_domain(text, "--apps-domain")
    assert message in caught.value.detail
