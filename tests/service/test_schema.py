"""The published document against a running server: whatever it allows, and much that it does not, is answered as it says."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from service.openapi import openapi_document

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance"
OPERATIONS = sum(len(path.keys() - {"parameters"}) for path in openapi_document()["paths"].values())
UNLIMITED = {"key_requests": 1_000_000_000, "address_requests": 1_000_000_000, "source_requests": 1_000_000_000}
"""The campaign sends more than any caller may."""
IN_HASTE = """
[[operations]]
include-path-regex = "/events$"
parameters = { "query.wait" = 0 }
"""
"""Nobody waits half a minute for an event that does not come."""


def token_of(server) -> str:
    """The operator's token, which no request of the campaign can rotate or revoke as it can a key."""
    return json.loads(server.path.with_name(server.path.name + ".lock").read_text())["token"]


def operator(server) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token_of(server)}", "Noces-Organisation": "acme"}
    return httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=30)


def things(server) -> dict[str, str]:
    """One of everything, for paths that name something."""
    with operator(server) as http:
        opened = http.post("/v1/partnerships", json={"client": "Atelier Nord", "partner": "Logiciels Sud"}).json()
        path = f"/v1/partnerships/{opened['id']}"
        named = {"type": "contact.designated", "side": "client", "person": "Agnès Martin", "role": "CIO"}
        http.post(f"{path}/facts", json=named).raise_for_status()
        force = {"force": {"to": "power_struggle", "reason": "Known to all"}}
        return {
            "/v1/partnerships/{id}": opened["id"],
            "/v1/overrides/{id}": http.post(f"{path}/transitions", json=force).json()["id"],
            "/v1/keys/{id}": http.post("/v1/keys", json={"scopes": ["read"]}).json()["id"],
            "/v1/persons/{id}": http.post("/v1/persons/find", json={"name": "Agnès Martin"}).json()["id"],
            "/v1/sources/{id}": http.post(
                "/v1/sources", json={"connector": "pagerduty", "name": "on call", "secrets": ["s"]}
            ).json()["id"],
            "/v1/events/{position}": str(opened["position"]),
            "/v1/policies/{version}": "1",
        }


def configured(folder: Path, known: dict[str, str]) -> Path:
    """A configuration that names what is there; half of what a path may hold is left to chance."""
    lines = []
    for prefix, value in known.items():
        name = re.search(r"\{(\w+)\}", prefix)[1]
        lines += [
            "[[operations]]",
            f"include-path-regex = {json.dumps('^' + re.escape(prefix))}",
            f'parameters = {{ "path.{name}" = {json.dumps(value)} }}',
        ]
    path = folder / "schemathesis.toml"
    path.write_text("\n".join(lines) + IN_HASTE)
    return path


def campaign(server, folder: Path, *arguments: str) -> tuple[str, int]:
    """(what schemathesis said, how many cases it tried)."""
    command = [
        str(Path(sys.executable).with_name("st")), "run", f"{server.url}/openapi.json", "--checks", CHECKS,
        "-H", f"Authorization: Bearer {token_of(server)}", "-H", "Noces-Organisation: acme", "--no-color",
        "--suppress-health-check", "all", "--continue-on-failure", "--warnings", "off", "-w", "2", *arguments,
    ]  # fmt: skip
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=3_600)
    counted = re.search(r"(\d+) generated", told.stdout)
    assert counted, told.stdout + told.stderr
    assert told.returncode == 0, told.stdout[-6_000:]
    tested = re.search(r"Tested: (\d+)", told.stdout)
    assert tested
    assert int(tested[1]) == OPERATIONS - 1, told.stdout[-3_000:]  # it leaves out the address of the document itself
    with operator(server) as http:
        assert http.get("/readyz").status_code == 200
    return told.stdout, int(counted[1])


def test_what_the_document_allows_is_answered_as_it_says(serve, tmp_path, record_property):
    server = serve(**UNLIMITED)
    (tmp_path / "run").mkdir()
    configured(tmp_path / "run", things(server))
    _, cases = campaign(server, tmp_path / "run", "--phases", "fuzzing", "-n", "8")
    record_property("told", f"schemathesis: {cases} cases, no server error, nothing undocumented")
    assert cases > 5 * OPERATIONS


@pytest.mark.long
@pytest.mark.parametrize("known", [True, False], ids=["with what is there", "by chance alone"])
def test_what_the_document_allows_is_answered_as_it_says_at_length(serve, tmp_path, known, record_property):
    server = serve(**UNLIMITED)
    (tmp_path / "run").mkdir()
    configured(tmp_path / "run", things(server) if known else {})
    _, cases = campaign(server, tmp_path / "run", "--phases", "coverage,fuzzing", "-n", "60")
    record_property("told", f"schemathesis, at length: {cases} cases, no server error, nothing undocumented")


def test_the_campaign_finds_what_is_wrong(serve, tmp_path):
    """A document that promises less than the service answers is found out, so that silence above means something."""
    server = serve(**UNLIMITED)
    document = openapi_document()
    document["servers"] = [{"url": server.url}]
    document["paths"] = {"/v1/partnerships": {"post": document["paths"]["/v1/partnerships"]["post"]}}
    responses = document["paths"]["/v1/partnerships"]["post"]["responses"]
    del responses["201"]
    (tmp_path / "less.json").write_text(json.dumps(document))
    command = [
        str(Path(sys.executable).with_name("st")), "run", str(tmp_path / "less.json"), "--checks", CHECKS, "-n", "5",
        "-u", server.url, "-H", f"Authorization: Bearer {token_of(server)}", "-H", "Noces-Organisation: acme", "--no-color",
        "--phases", "fuzzing",
    ]  # fmt: skip
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300)
    assert told.returncode == 1
    assert "ST103" in told.stdout
