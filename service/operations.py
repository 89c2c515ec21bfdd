"""What the command line does: through a running server where one holds the file, else through one of its own in here."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import msgspec

from domain.policy import Policy, parse_policy, policy_toml
from events.lock import read_lock
from service import doctor
from service.api.facts import read_fact
from service.app import FACT_FIELDS, beside, build, connectors_at_hand, now, running
from service.auth import OPERATOR_HEADER, parse_duration
from service.connectors.compiled import Connector
from service.connectors.dry_run import dry_run
from service.connectors.engine import Arrival, MappedFact
from service.connectors.load import load_file, read_sample, samples
from service.doctor import Finding
from service.errors import ServiceError
from service.scheme import Delivery, Pairs
from service.settings import Settings
from service.signing import sign

TIMEOUT = 600.0


@asynccontextmanager
async def client(settings: Settings, organisation: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client with an operator's rights, to the server that holds the database or to one inside this process."""
    held = read_lock(settings.database_path.absolute())
    name = {OPERATOR_HEADER: organisation or settings.organisation}
    if held is not None and "token" in held:
        headers = {"Authorization": f"Bearer {held['token']}", **name}
        async with reached(held["url"], headers, trust_env=False) as outside:
            yield outside
        return
    async with running(settings) as services:
        headers = {"Authorization": f"Bearer {services.keys.run_token}", **name}
        transport = httpx.ASGITransport(app=build(services))  # type: ignore[arg-type]  # the same protocol by another name
        async with httpx.AsyncClient(
            transport=transport, base_url=settings.base_url, headers=headers, timeout=TIMEOUT
        ) as inside:
            yield inside


@asynccontextmanager
async def reached(url: str, headers: dict[str, str], *, trust_env: bool) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client of another process. Raises ServiceError `unavailable` when that one does not answer."""
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=trust_env) as outside:
        try:
            yield outside
        except httpx.TransportError as error:
            raise ServiceError("unavailable", f"The server at {url} does not answer: {error}.") from error


def answered(response: httpx.Response) -> Any:  # noqa: ANN401  # JSON of any shape
    """The answer's JSON. Raises ServiceError with the problem's own words."""
    if response.is_success:
        return response.json() if response.content else None
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    code, detail = (
        problem.get("code", "internal"),
        problem.get("detail", f"The server answered {response.status_code}."),
    )
    raise ServiceError(code, detail)


# --- keys and sources ----------------------------------------------------------------------------------------------------


async def create_key(settings: Settings, **wanted: Any) -> Any:  # noqa: ANN401  # click's options in, JSON out
    """A new key: `{"id", "key"}`."""
    body: dict[str, Any] = {"scopes": [each for each in wanted["scopes"].split(",") if each]}
    body |= {name: wanted[name] for name in ("side", "name") if wanted.get(name)}
    if wanted.get("partnerships"):
        body["partnerships"] = list(wanted["partnerships"])
    if wanted.get("expires"):
        body["expires_at"] = (now() + parse_duration(wanted["expires"])).isoformat()
    async with client(settings, wanted.get("organisation")) as http:
        return answered(await http.post("/v1/keys", json=body))


async def list_keys(settings: Settings, organisation: str | None) -> list[dict[str, Any]]:
    """The organisation's keys."""
    async with client(settings, organisation) as http:
        found: list[dict[str, Any]] = answered(await http.get("/v1/keys?limit=500"))["items"]
        return found


async def revoke_key(settings: Settings, organisation: str | None, key: str) -> None:
    """End a key."""
    async with client(settings, organisation) as http:
        answered(await http.delete(f"/v1/keys/{key}"))


async def create_source(settings: Settings, **wanted: Any) -> Any:  # noqa: ANN401  # click's options in, JSON out
    """A new source: `{"id", "url"}`."""
    body = {
        "connector": wanted["connector"], "name": wanted["name"], "secrets": list(wanted["secrets"]),
        "settings": read_pairs(wanted["pairs"]),
    }  # fmt: skip
    async with client(settings, wanted.get("organisation")) as http:
        return answered(await http.post("/v1/sources", json=body))


def read_pairs(pairs: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE pairs; a value that is JSON is taken as such."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise ServiceError("bad_parameter", f"--setting takes NAME=VALUE; {pair!r} has no '='.")
        try:
            found[name] = msgspec.json.decode(value)
        except msgspec.DecodeError:
            found[name] = value
    return found


# --- policies ------------------------------------------------------------------------------------------------------------


async def show_policy(settings: Settings, organisation: str | None, version: int | None) -> tuple[dict[str, Any], str]:
    """(the policy as the API tells it, the same as TOML); the newest without a version."""
    async with client(settings, organisation) as http:
        if version is None:
            found: dict[str, Any] = answered(await http.get("/v1/policies"))["items"][-1]
        else:
            found = answered(await http.get(f"/v1/policies/{version}"))
    return found, policy_toml(msgspec.convert(found["policy"], Policy))


def read_policy(file: Path) -> Policy:
    """The policy of a TOML file. Raises ServiceError `bad_policy`."""
    try:
        return parse_policy(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ServiceError("bad_policy", f"{file}: {error}") from error


async def adopt_policy(settings: Settings, organisation: str | None, file: Path) -> Any:  # noqa: ANN401  # JSON
    """The policy of a file, adopted. Raises ServiceError `bad_policy`."""
    policy = read_policy(file)
    async with client(settings, organisation) as http:
        return answered(await http.post("/v1/policies", json=msgspec.to_builtins(policy)))


# --- the log -------------------------------------------------------------------------------------------------------------


async def import_file(settings: Settings, file: Path, **wanted: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:  # noqa: ANN401  # click's options
    """(refused lines, summary) of an import."""
    headers = {"Content-Type": "application/x-ndjson"}
    if wanted.get("prefix"):
        headers["Idempotency-Key"] = wanted["prefix"]
    if wanted.get("url"):
        headers["Authorization"] = f"Bearer {wanted.get('key') or ''}"
        async with reached(wanted["url"], {}, trust_env=True) as http:
            return await _send(http, file, headers)
    async with client(settings, wanted.get("organisation")) as http:
        return await _send(http, file, headers)


async def _send(
    http: httpx.AsyncClient, file: Path, headers: dict[str, str]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:  # fmt: skip
    response = await http.post("/v1/facts", content=_chunks(file), headers=headers)
    if not response.is_success:
        answered(response)
    *refused, summary = [msgspec.json.decode(line) for line in response.content.splitlines()]
    return refused, summary


async def _chunks(file: Path) -> AsyncIterator[bytes]:
    with file.open("rb") as lines:  # a local file, read in pieces
        while block := lines.read(65_536):
            yield block


async def rebuild(settings: Settings) -> dict[str, Any]:
    """Make the read models anew: `{"events", "equal", "different"}`."""
    async with client(settings) as http:
        told: dict[str, Any] = answered(await http.post("/v1/rebuild"))
        return told


async def examine(settings: Settings) -> list[Finding]:
    """What the doctor says."""
    async with beside(settings) as database:
        return await doctor.examine(settings, database)


# --- connectors ----------------------------------------------------------------------------------------------------------


def try_connector(settings: Settings, file: str, payload: Path, pairs: tuple[str, ...]) -> Any:  # noqa: ANN401  # JSON
    """The dry run of a delivery; `payload` may have a `<name>.headers.json` beside it."""
    body, headers = read_sample(payload)
    arrival = Arrival(body, headers, "src_dry_run", now())
    report = dry_run(_connector(settings, file), read_pairs(pairs), arrival, refusal)
    return msgspec.to_builtins(report)


def refusal(fact: MappedFact) -> str | None:
    """Why no partnership would take a mapped fact, whatever its state."""
    try:
        read_fact({"type": fact.type, **fact.fields})
    except ServiceError as error:
        return f"{error.code}: {error.detail}"
    return None


def _connector(settings: Settings, file: str) -> Connector:
    known = connectors_at_hand(settings)
    if file in known:
        return known[file]
    return load_file(Path(file), FACT_FIELDS)


def show_connector(settings: Settings, file: str) -> dict[str, Any]:
    """What whoever sets a sender up must know of its connector."""
    connector = _connector(settings, file)
    spec = connector.spec
    return {
        "name": spec.name, "title": spec.title, "summary": spec.summary,
        "proofs": [{"name": each.name, "place": each.place, "trust": each.level} for each in spec.scheme],
        "settings": {
            name: {"type": each.type, "required": each.required, "description": each.description}
            for name, each in spec.settings.items()
        },
        "links": [f"{each.system}/{each.kind}: {each.description}" for each in spec.link_kind],
        "rules": [rule.name for rule in spec.rule], "samples": list(samples(spec.name)),
    }  # fmt: skip


async def trigger(
    settings: Settings, file: str, event: str, url: str, secret: str, proof: str | None
) -> dict[str, Any]:
    """Send a signed delivery to a source's address: `{"status", "answer"}`; `event` is a sample's name or a file.

    Raises ServiceError `bad_parameter` for a sample or a proof that is not there, or a secret that cannot sign.
    """
    connector = _connector(settings, file)
    known = samples(connector.name)
    path = known.get(event, Path(event))
    if not path.is_file():
        raise ServiceError(
            "bad_parameter", f"There is no sample {event!r}; known: {', '.join(known) or 'none'}; or name a file."
        )
    sent = _signed(connector, proof, Delivery("POST", url, *_parts(path, url)), secret)
    async with reached(url, {}, trust_env=True) as http:
        answer = await http.post(sent.url, content=sent.body, headers=list(sent.headers))
    return {"status": answer.status_code, "answer": answer.text}


def _parts(path: Path, url: str) -> tuple[Pairs, Pairs, bytes]:
    body, headers = read_sample(path)
    kind = "text/xml" if path.suffix == ".xml" else "application/json"
    typed = headers if any(name == "content-type" for name, _ in headers) else (*headers, ("content-type", kind))
    return typed, tuple(parse_qsl(urlsplit(url).query)), body


def _signed(connector: Connector, proof: str | None, delivery: Delivery, secret: str) -> Delivery:
    schemes = {scheme.name: scheme for scheme in connector.spec.scheme}
    scheme = schemes.get(proof) if proof else connector.spec.scheme[0]
    if scheme is None:
        raise ServiceError("bad_parameter", f"There is no proof {proof!r}; known: {', '.join(schemes)}.")
    try:
        return sign(scheme, delivery, secret, now())
    except ValueError as error:
        raise ServiceError("bad_parameter", str(error)) from error
