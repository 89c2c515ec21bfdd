"""Settings: each is an environment variable `NOCES_*`; a secret may come from the file that `NOCES_*_FILE` names."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

Seconds = Annotated[float, Meta(gt=0)]
Count = Annotated[int, Meta(gt=0)]


Exposure = Literal["public", "key", "off"]


OTHER_FILES = 100
"""Open files beside connections: the database, its readers, spooled reports."""


class SettingsError(Exception):
    """A setting cannot be used; the message names the variable and what it takes."""


class Settings(Struct, frozen=True, kw_only=True):
    """What an operator may choose; the comments are the documentation of `docs/operations.md`."""

    database: str = "sqlite:///var/noces.db"
    """Where the log lives: `sqlite:///relative/path` or `sqlite:////absolute/path`."""
    host: str = "127.0.0.1"
    port: int = 8000
    public_base_url: str = ""
    """What senders sign and links show; never taken from a request. Default: http://host:port."""
    inbox_days: Annotated[int, Meta(ge=0)] = 0
    """After how many days the bodies of deliveries are forgotten; 0: never. Their items stay known for ever."""
    log_name: str = ""
    """The first part of the names of logs, fixed when a log is first signed; default: the public address's host."""
    checkpoints: str = ""
    """The folder where signed checkpoints are kept outside the database; default: beside it, `<name>.checkpoints`."""
    witnesses: str = ""
    """Verifier keys of the witnesses whose cosignatures of checkpoints are taken, separated by blanks; none: nobody's."""
    keys: str = ""
    """The file of the data keys, apart from the log and its backups; default: beside the database, `<name>.keys.db`."""
    master_key: str = ""
    """Base64 of 32 bytes that wrap every data key; default: the file beside the database, made at first start."""
    master_key_command: str = ""
    """A command that prints the master key instead, such as one that asks a secret manager; it has 30 seconds."""
    demo: bool = False
    """Create a demo organisation with data on first start."""
    organisation: str = "demo"
    """The organisation that the first start creates."""
    clock_seconds: float = 5.0
    """How often the clock looks for what time owes."""
    clock_quiet_seconds: float = 600.0
    """How long the clock keeps off a partnership after a fact that was dated in the past (an import under way)."""
    body_limit: Count = 262_144
    """The most bytes of a request body (256 KB)."""
    hook_body_limit: Count = 1_048_576
    """The most bytes of a webhook's body (1 MB)."""
    head_limit: Annotated[int, Meta(ge=8_192)] = 65_536
    """The most bytes of a request's head: its first line and its headers."""
    header_limit: Annotated[int, Meta(ge=16)] = 100
    """The most headers of a request."""
    head_seconds: Seconds = 15.0
    """How long a request's head may take to arrive."""
    receive_seconds: Seconds = 30.0
    """How long a request body may take to arrive; of an import, each piece of it."""
    send_seconds: Seconds = 30.0
    """In which time a caller must take 16 KB of an answer that waits for it, or its rest."""
    idle_seconds: Annotated[int, Meta(gt=0)] = 75
    """How long a connection is kept between two requests: longer than proxies keep theirs, which is mostly 60 seconds."""
    connections: Count = 1_000
    """The most connections at once."""
    key_requests: Count = 60_000
    """Requests a minute of one key, unless it has a limit of its own."""
    address_requests: Count = 6_000
    """Requests a minute without a usable key from one address."""
    source_requests: Count = 60_000
    """Proven deliveries a minute of one source."""
    proxies: str = ""
    """Networks of the proxies before the service, whose `X-Forwarded-For` names the caller; none: nobody's does."""
    key_streams: Count = 100
    """Imports, waiting feeds and streams of one key at once."""
    streams: Count = 500
    """The same of all keys together."""
    allowed_hosts: str = ""
    """For which hosts the service answers, separated by commas (`noces.example,*.noces.example`); none: for all."""
    cors_origins: str = ""
    """Origins, separated by commas, whose pages may use the API from a browser; none: no page may."""
    docs: Exposure = "public"
    """Who may read `/docs` and `/openapi.json`: everybody, any key, or nobody."""
    metrics: Exposure = "public"
    """Who may read `/metrics`: everybody, a key with the scope `admin`, or nobody."""
    log_format: Literal["text", "json"] = "text"
    """How log lines are written."""
    log_requests: bool = True
    """Whether there is a line a request in the log."""
    connectors: str = ""
    """A folder of connector files beside the shipped ones."""
    outbound_allow: str = ""
    """Subnets that outgoing webhooks may reach although they are private."""

    oidc_issuer: str = ""
    """The OpenID Connect issuer whose bearer tokens are taken beside keys; default: none."""
    oidc_audience: str = ""
    """The audience that a token must name."""
    oidc_scopes_claim: str = "scope"
    """The claim that names scopes: a text of words or a list; dots lead into objects (`realm_access.roles`)."""
    oidc_scopes: str = ""
    """JSON of values of that claim to scopes, such as {"noces-readers": ["read"]}; a scope's own name needs none."""
    oidc_organisation: str = ""
    """The organisation of every token; default: NOCES_ORGANISATION."""
    oidc_organisation_claim: str = ""
    """The claim that names the organisation instead."""
    oidc_side_claim: str = ""
    """The claim that binds a token to a side: client or partner; without the claim it is bound to none."""
    oidc_partnerships_claim: str = ""
    """The claim that binds a token to partnerships: an id or a list; without the claim it is bound to none."""

    @property
    def base_url(self) -> str:
        """The public address without a trailing slash."""
        return (self.public_base_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def database_path(self) -> Path:
        """The file of a SQLite database."""
        scheme, _, path = self.database.partition(":///")
        if scheme != "sqlite" or not path:
            message = (
                f"NOCES_DATABASE is {self.database!r}; it takes sqlite:///relative/path or sqlite:////absolute/path."
            )
            raise SettingsError(message)
        return Path(path)


def checkpoints_path(settings: Settings) -> Path:
    """The folder of the kept checkpoints."""
    return Path(settings.checkpoints) if settings.checkpoints else settings.database_path.with_suffix(".checkpoints")


def log_name(settings: Settings) -> str:
    """The first part of the names of logs."""
    return settings.log_name or urlsplit(settings.base_url).hostname or "noces"


def keys_path(settings: Settings) -> Path:
    """The file of the data keys."""
    return Path(settings.keys) if settings.keys else settings.database_path.with_suffix(".keys.db")


def read_settings(given: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings from the environment, with what the command line gave on top."""
    environment = os.environ if environment is None else environment
    found: dict[str, Any] = {}
    for name in Settings.__struct_fields__:
        value = _from_environment(name, environment)
        if value is not None:
            found[name] = value
    found |= {name: value for name, value in (given or {}).items() if value is not None}
    try:
        return msgspec.convert(found, Settings, strict=False)
    except msgspec.ValidationError as error:
        message = f"A NOCES_ setting cannot be used: {error}."
        raise SettingsError(message) from error


def _from_environment(name: str, environment: Mapping[str, str]) -> str | None:
    variable = f"NOCES_{name.upper()}"
    if (path := environment.get(f"{variable}_FILE")) is not None:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            message = f"{variable}_FILE names {path!r}, which cannot be read: {error.strerror}."
            raise SettingsError(message) from error
    return environment.get(variable)
