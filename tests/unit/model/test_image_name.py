"""What is a repository, a tag, a digest, and what is refused in which words."""

import pytest

from draas.model.errors import Invalid
from draas.model.image_name import (
    MAX_REPOSITORY,
    MAX_TAG,
    cluster_image,
    is_digest,
    parse_cluster_image,
    parse_digest,
    parse_reference,
    parse_repository,
    parse_tag,
    project_of_repository,
)

DIGEST = "sha256:" + "0123456789abcdef" * 4
LONGEST = "p/" + "a" * (MAX_REPOSITORY - 2)


@pytest.mark.parametrize("name", ["p/a", "default/web", "p/a/b/c", "p-1/a.b_c__d---e", "0/0", LONGEST])
def test_repositories(name: str) -> None:
    assert parse_repository(name) == name
    assert project_of_repository(parse_repository(name)) == name.split("/")[0]


@pytest.mark.parametrize(
    "name",
    ["", "web", "/", "p/", "/p", "p//a", "P/a", "p/A", "p/..", "../p", "p/../q/a", "p/.a", "p/a.", "p/a..b", "p/_a", "p/a___b",
     "p/-a", "p/a b", "p/a\n", "p/a\0", "p/é", "p/a:b", "p/a@b", "p/a%2e", "p\\a", LONGEST + "a", "p/" + "a" * 300],
)  # fmt: skip
def test_what_is_no_repository(name: str) -> None:
    with pytest.raises(Invalid, match="repository") as told:
        parse_repository(name)
    assert len(told.value.detail) < 300


def test_tags() -> None:
    for tag in ("latest", "v1.2-rc_3", "_", "V1", "0", "a" * MAX_TAG):
        assert parse_tag(tag) == tag
        assert not is_digest(parse_reference(tag))
    for wrong in ("", ".", "..", ".a", "-a", "a/b", "a b", "a\n", "ä", "a" * (MAX_TAG + 1)):
        with pytest.raises(Invalid, match="is no tag"):
            parse_tag(wrong)


def test_digests() -> None:
    assert parse_digest(DIGEST) == parse_reference(DIGEST) == DIGEST
    for wrong in (
        "",
        "sha256",
        "sha256:",
        DIGEST[:-1],
        DIGEST + "0",
        DIGEST.upper(),
        DIGEST + "\n",
        "sha256:../../x",
        "a" * 300,
    ):
        with pytest.raises(Invalid):
            parse_digest(wrong)
    with pytest.raises(Invalid, match="'sha512' are not kept here: use sha256"):
        parse_digest("sha512:" + "0" * 128)


def test_a_name_in_the_clusters_registry_is_told_from_others() -> None:
    digest = parse_digest("sha256:" + "a" * 64)
    shop = parse_repository("default/shop")
    assert cluster_image(shop, digest) == f"draas.internal/default/shop@{digest}"
    assert parse_cluster_image(cluster_image(shop, digest)) == (shop, digest)
    assert parse_cluster_image("draas.internal/default/shop:1.2") == (shop, "1.2")
    assert parse_cluster_image("draas.internal/default/shop") == (shop, "latest")
    assert parse_cluster_image("nginx:1.25") is None
    assert parse_cluster_image("registry.example:5000/default/shop") is None


@pytest.mark.parametrize(
    "image", ["draas.internal/shop", "draas.internal/default/Shop:1", "draas.internal/a/b@sha256:1"]
)
def test_a_wrong_name_in_the_clusters_registry_is_refused(image: str) -> None:
    with pytest.raises(Invalid):
        parse_cluster_image(image)
