"""Names of images: the cluster's and this machine's."""

import pytest

from draas.agent.images.names import cluster_name, is_cluster_image, local_name

HOST = "127.0.0.1:40123"
DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize("rest", [f"default/web@{DIGEST}", "default/web:v1", "p/a/b", f"p/a:v1@{DIGEST}"])
def test_a_cluster_image_goes_there_and_back(rest: str) -> None:
    assert local_name(f"draas.internal/{rest}", HOST) == f"{HOST}/{rest}"
    assert cluster_name(f"{HOST}/{rest}", HOST) == f"draas.internal/{rest}"
    assert is_cluster_image(f"draas.internal/{rest}")


@pytest.mark.parametrize(
    "image",
    [
        *(
            "nginx",
            "nginx:1.25",
            "ghcr.io/p/n:v1",
            "draas.internal.example/p/n",
            "draas.internal",
            "x/draas.internal/p",
        ),
        *("127.0.0.1:4012/p/n", "127.0.0.1:401234/p/n", "127.0.0.1/p/n", f"sha256:{'0' * 64}", ""),
    ],
)
def test_other_names_stay_as_they_are(image: str) -> None:
    assert (local_name(image, HOST), cluster_name(image, HOST)) == (image, image)
    assert not is_cluster_image(image)
