"""Settings: which controller, with which key. Environment before ~/.config/draas/config.toml. Imports nothing heavy."""

import difflib
import os
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from draas.model.errors import Invalid

DEFAULT_URL = "http://127.0.0.1:8000"
URL_NAMES = ("DRAAS_URL", "SCHEDULER_URL", "MASTER_URL")
KEY_NAMES = ("DRAAS_KEY", "API_KEY")
FIELDS = ("url", "key", "ca", "ca_fingerprint")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`ca`: a file with the CA to trust for `url`; `ca_fingerprint`: its SHA-256, for when there is no file."""

    url: str = DEFAULT_URL
    key: str | None = None
    ca: Path | None = None
    ca_fingerprint: str = ""


def config_path(environ: Mapping[str, str]) -> Path:
    """Where the file is: $XDG_CONFIG_HOME/draas/config.toml, by default under ~/.config."""
    home = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "~")).expanduser() / ".config")
    return Path(home) / "draas" / "config.toml"


def load_settings(environ: Mapping[str, str] = os.environ) -> Settings:
    """What applies here. Raises Invalid with one line on a wrong value.

    The file's key and CA belong to the file's URL: they are not shown to another controller that the environment names.
    """
    path = config_path(environ)
    stored = read_config(path)
    url_name, url = _first(environ, URL_NAMES)
    key_name, key = _first(environ, KEY_NAMES)
    stored_url = stored.get("url")
    given = check_url(url, url_name) if url else None
    own = given is None or (stored_url is not None and given == check_url(stored_url, f"{path}: url"))
    ca = stored.get("ca") if own else None
    return Settings(
        url=given or check_url(stored_url or DEFAULT_URL, f"{path}: url"),
        key=check_key(key, key_name) if key else check_key(stored.get("key") if own else None, f"{path}: key"),
        ca=path.parent / Path(ca).expanduser() if ca else None,
        ca_fingerprint=stored.get("ca_fingerprint", "") if own else "",
    )


def read_config(path: Path) -> dict[str, str]:
    """The file's values, none where there is no file. Raises Invalid on what is no TOML, an unknown key, or no text."""
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Invalid(f"{path} cannot be read: {error}") from None
    for name, value in content.items():
        if name not in FIELDS:
            near = difflib.get_close_matches(name, FIELDS, n=1)
            told = f"did you mean {near[0]}?" if near else f"known are {', '.join(FIELDS)}"
            raise Invalid(f"{path}: {name} is not known; {told}")
        if not isinstance(value, str):
            raise Invalid(f"{path}: {name} must be text in quotes")
    return content


def save_config(path: Path, settings: Settings) -> None:
    """Write the file, whole or not at all, readable by its owner alone (mkstemp makes files 0600)."""
    values = {
        "url": settings.url,
        "key": settings.key,
        "ca": str(settings.ca) if settings.ca else None,
        "ca_fingerprint": settings.ca_fingerprint,
    }
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(descriptor, "w") as file:
        file.writelines(f"{name} = {_quote(value)}\n" for name, value in values.items() if value)
    os.replace(temporary, path)


def check_url(url: str, where: str) -> str:
    """`url` without a closing slash. Raises Invalid where it is no http(s)://host[:port]."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise Invalid(f"{where}: {url[:200]!r} is no URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise Invalid(f"{where}: {url[:200]!r} must be http://HOST:PORT or https://HOST:PORT")
    if parts.username is not None:
        raise Invalid(f"{where}: the key does not belong into the URL: give it as DRAAS_KEY")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port is not None else "")


def check_key(key: str | None, where: str) -> str | None:
    """Raises Invalid where `key` cannot stand in a header; the key itself is not shown."""
    if key is None:
        return None
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise Invalid(f"{where}: the key must be plain characters without blanks")
    return key or None


def _first(environ: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, str | None]:
    return next(((name, value) for name in names if (value := environ.get(name))), (names[0], None))


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
