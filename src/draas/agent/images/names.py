"""Names: one image as the cluster calls it and as this machine's engine does. Pure."""

from draas.model.image_name import CLUSTER_HOST


def local_name(image: str, host: str) -> str:
    """draas.internal/p/n@d as HOST/p/n@d, which the engine can pull and push; other names unchanged."""
    return _moved(image, CLUSTER_HOST, host)


def cluster_name(image: str, host: str) -> str:
    """HOST/p/n:t, as the engine lists it, as draas.internal/p/n:t; other names unchanged."""
    return _moved(image, host, CLUSTER_HOST)


def is_cluster_image(image: str) -> bool:
    """Whether it is of the controller's own registry."""
    return image.startswith(f"{CLUSTER_HOST}/")


def _moved(image: str, old: str, new: str) -> str:
    return f"{new}/{image.removeprefix(f'{old}/')}" if image.startswith(f"{old}/") else image
