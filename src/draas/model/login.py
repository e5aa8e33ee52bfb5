"""Login: what opens a registry that is not the controller's own."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """`host` as image names have it; docker.io is Docker Hub. The password is in no repr."""

    host: str
    username: str
    password: str = field(repr=False)
