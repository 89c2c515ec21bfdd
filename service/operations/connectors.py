"""What `noces connectors` and `noces trigger` do."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from service.api.facts import read_fact
from service.app import FACT_FIELDS, connectors_at_hand
from service.clock import now
from service.connectors.compiled import Connector
from service.connectors.dry_run import dry_run
from service.connectors.engine import Arrival, MappedFact
from service.connectors.load import load_file, read_sample, samples
from service.errors import ServiceError
from service.operations.reach import reached
from service.operations.sources import read_pairs
from service.scheme import Delivery, Pairs
from service.settings import Settings
from service.signing import sign


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
