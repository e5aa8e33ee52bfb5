"""SeenImages: which images were seen on the engine a moment ago, so that a batch of jobs asks once and not once a job."""

from draas.lib import clock

SEEN_S = 5.0  # an image that goes within this is noticed when a container of it cannot be made, and fetched then


class SeenImages:
    """Architectures by image reference, each remembered for SEEN_S."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, str]] = {}

    def arch(self, image: str) -> str | None:
        """The architecture that `image` is built for ("" where it does not say); None where it was not seen lately."""
        until, arch = self._seen.get(image, (0.0, ""))
        if clock.monotonic() < until:
            return arch
        self._seen.pop(image, None)
        return None

    def remember(self, image: str, arch: str) -> None:
        """It is here now."""
        self._seen[image] = (clock.monotonic() + SEEN_S, arch)

    def forget(self, image: str) -> bool:
        """It is not here after all. Whether it was believed to be."""
        return self._seen.pop(image, None) is not None
