"""What a manifest refers to, and which manifests are refused."""

import json
from typing import Any

import pytest

from draas.model.errors import Invalid
from draas.server.registry.manifest import IMAGES, INDEXES, read_manifest

A, B, C = ("sha256:" + digit * 64 for digit in "abc")


def image(**fields: Any) -> bytes:
    layers = [{"digest": B, "size": 1}, {"digest": C, "size": 1}]
    return json.dumps({"schemaVersion": 2, "config": {"digest": A, "size": 1}, "layers": layers} | fields).encode()


def test_an_image_needs_its_config_and_layers() -> None:
    for media_type in IMAGES:
        assert read_manifest(image(), media_type).blobs == (A, B, C)
        assert read_manifest(image(mediaType=media_type), "").media_type == media_type
        assert read_manifest(image(mediaType=media_type), f"{media_type}; charset=utf-8").media_type == media_type


def test_an_index_needs_its_manifests() -> None:
    for media_type in INDEXES:
        found = read_manifest(json.dumps({"schemaVersion": 2, "manifests": [{"digest": A}]}).encode(), media_type)
        assert (found.blobs, found.manifests) == ((), (A,))


def test_a_layer_that_somebody_else_serves_is_not_needed() -> None:
    layers = [{"digest": B, "urls": ["https://example.org/b"]}, {"digest": C, "urls": []}]
    assert read_manifest(image(layers=layers), IMAGES[0]).blobs == (A, C)


@pytest.mark.parametrize(
    ("content", "media_type", "told"),
    [
        (b"", IMAGES[0], "no JSON"),
        (b"\xff", IMAGES[0], "no JSON"),
        (b"[" * 100_000, IMAGES[0], "no JSON"),
        (b"[]", IMAGES[0], "schemaVersion"),
        (b'{"schemaVersion": 1}', IMAGES[0], "schemaVersion"),
        (image(), "", "type 'None'"),
        (image(), "application/json", "application/json"),
        (image(mediaType=IMAGES[1]), IMAGES[0], "send the same"),
        (image(mediaType=["x"]), "", "not kept here"),
        (image(config=None), IMAGES[0], "config"),
        (image(config={"digest": 5}), IMAGES[0], "config"),
        (image(layers={}), IMAGES[0], "layers"),
        (image(layers=[5]), IMAGES[0], r"layers\[0\]"),
        (image(layers=[{"digest": "sha512:" + "0" * 128}]), IMAGES[0], "use sha256"),
        (image(layers=[{"digest": "sha256:../../../etc/passwd"}]), IMAGES[0], "no digest"),
        (image(), INDEXES[0], "manifests"),
    ],
)
def test_what_is_no_manifest(content: bytes, media_type: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        read_manifest(content, media_type)
