"""Hosts of registries, and which of them an image's name means."""

import pytest

from draas.model.errors import Invalid
from draas.model.job import DEFAULT_PROJECT, ProjectName
from draas.model.registry import RegistryLogin, parse_registry, registry_of


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("ghcr.io", "ghcr.io"),
        ("Registry.Example.org:5000", "registry.example.org:5000"),
        ("localhost", "localhost"),
        ("nas:5000", "nas:5000"),
        ("10.0.0.5", "10.0.0.5"),
        ("127.0.0.1:65535", "127.0.0.1:65535"),
        ("[::1]:5000", "[::1]:5000"),
        ("docker.io", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("registry-1.docker.io", "docker.io"),
    ],
)
def test_a_host_is_kept_as_image_names_have_it(given: str, host: str) -> None:
    assert parse_registry(given) == host
    assert registry_of(f"{given}/team/shop:1") == host


@pytest.mark.parametrize(
    "given",
    ["", ".", "https://ghcr.io", "ghcr.io/team", "ghcr.io:", "ghcr.io:0", "ghcr.io:65536", "ghcr.io:x", "a b.c", "user@ghcr.io",
     "::1", "[::1", "[ghcr.io]:5", "-a.io", "ghcr.io\n", "1.2.3", "x" * 254 + ".io"],
)  # fmt: skip
def test_what_is_no_host_is_refused_with_the_remedy(given: str) -> None:
    with pytest.raises(Invalid, match="HOST or HOST:PORT"):
        parse_registry(given)


def test_a_host_that_no_image_name_can_mean_is_refused() -> None:
    with pytest.raises(Invalid, match="for example nas:5000"):
        parse_registry("nas")
    with pytest.raises(Invalid, match="own registry"):
        parse_registry("draas.internal")


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("nginx", "docker.io"),
        ("nginx:1.25", "docker.io"),
        ("team/shop", "docker.io"),
        ("localhost/shop", "localhost"),
        ("NAS/shop", "nas"),
        ("nas:5000/shop@sha256:0", "nas:5000"),
        ("draas.internal/default/shop", "draas.internal"),
    ],
)
def test_the_registry_of_an_image(image: str, host: str) -> None:
    assert registry_of(image) == host


def test_a_password_is_in_no_repr() -> None:
    login = RegistryLogin(
        project=ProjectName(DEFAULT_PROJECT), host="ghcr.io", username="me", sealed_password=b"hush", created_at=0
    )
    assert "hush" not in repr(login)
