"""The published contract: it says what the routes do, its examples are read by the real readers, its files are up to date."""

import json
import re
from pathlib import Path

import msgspec
import pytest

from domain import events as e
from service import examples
from service.api import facts as facts_api
from service.api.all import ROUTES
from service.api.facts import read_fact, split_target
from service.api.route import ANY_KEY, PUBLIC
from service.auth import OPERATOR, SCOPES
from service.body import read_json, shape
from service.error_guide import GUIDE, errors_markdown
from service.errors import RETRY_AFTER, STATUS, TITLES, ServiceError
from service.openapi import documents, openapi_bytes, openapi_document, path_of, write_documents
from service.personal import personal_fields
from tests.service.meets import breaches
from tests.service.world import get, open_partnership

FOLDER = Path(__file__).parents[2]
DOCUMENT = openapi_document()
SCHEMAS = DOCUMENT["components"]["schemas"]
FILES = documents()
STORED = json.loads(FILES["events.json"])
OPERATIONS = [(method, path, each) for path, methods in DOCUMENT["paths"].items() for method, each in methods.items()]
BODIES = {route.body.__name__: route.body for route in ROUTES if isinstance(route.body, type)}


def operation(route):
    return DOCUMENT["paths"][path_of(route)][route.method.lower()]


def named(route):
    return f"{route.method} {path_of(route)}"


def every(part, word):
    """Every value under a name, anywhere in a document, but not inside examples."""
    if isinstance(part, dict):
        for name, each in part.items():
            if name == word:
                yield each
            if name == "properties":
                yield from every(list(each.values()), word)
            elif name not in ("example", "examples"):
                yield from every(each, word)
    elif isinstance(part, list):
        for each in part:
            yield from every(each, word)


# --- the files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "raw"), FILES.items(), ids=lambda each: each if isinstance(each, str) else "")
def test_the_committed_document_is_the_one_that_the_code_makes(name, raw):
    committed = (FOLDER / "openapi" / name).read_bytes()
    assert committed == raw, "write it anew with `make openapi`"


def test_documents_are_written_where_they_were_asked_for(tmp_path):
    written = write_documents(tmp_path / "new")
    assert {path.name: path.read_bytes() for path in written} == dict(FILES)


def test_the_page_of_errors_is_the_one_that_the_code_makes():
    committed = (FOLDER / "docs" / "errors.md").read_text(encoding="utf-8")
    assert committed == errors_markdown(), "write it anew with service.pages.write_pages"


def test_what_is_served_is_what_is_committed():
    assert openapi_bytes() == FILES["openapi.json"]
    assert json.loads(openapi_bytes())["openapi"] == "3.1.0"


# --- the routes ----------------------------------------------------------------------------------------------------------


def test_the_document_has_every_route_and_no_other():
    assert {(method.upper(), path) for method, path, _ in OPERATIONS} == {
        (each.method, path_of(each)) for each in ROUTES
    }


def test_every_operation_has_an_id_of_its_own():
    ids = [each["operationId"] for _, _, each in OPERATIONS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_every_route_names_its_scope(route):
    found = operation(route)
    assert found["x-scope"] == route.scope
    assert route.scope in (*SCOPES, OPERATOR, PUBLIC, ANY_KEY)
    assert bool(found["security"]) == (route.scope != PUBLIC)


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_every_route_names_the_errors_that_it_may_answer(route):
    found = {int(status) for status, each in operation(route)["responses"].items() if "$ref" in each}
    assert {400, 500, 503} | set(route.problems) <= found <= set(STATUS.values())
    if route.scope == PUBLIC:
        assert found & {401, 403} == set(route.problems) & {401, 403}
    else:
        assert 401 in found
        assert (403 in found) == (route.scope != ANY_KEY)
    assert {413, 507} <= found or route.method == "GET"
    assert 415 in found or not isinstance(route.body, type)


@pytest.mark.parametrize("route", ROUTES, ids=named)
def test_every_route_names_its_parameters_and_answers(route):
    found = operation(route)
    given = [each for each in found["parameters"] if "$ref" not in each]
    assert [each["name"] for each in given if each["in"] == "path"] == re.findall(r"\{(\w+)", route.path)
    assert [each["name"] for each in given if each["in"] == "query"] == [each.name for each in route.parameters]
    assert {int(status) for status, each in found["responses"].items() if "$ref" not in each} == set(route.answers)
    assert ("requestBody" in found) == (route.body is not None)


def test_a_key_for_retries_is_offered_where_it_is_read_and_nowhere_else():
    offered = {each["operationId"] for _, _, each in OPERATIONS if "IdempotencyKey" in json.dumps(each["parameters"])}
    read = {
        each.run.__name__ for each in ROUTES if each.method == "POST" and each.idempotent_key and each.scope != PUBLIC
    }
    assert offered == read


def test_every_reference_leads_somewhere():
    for reference in every(DOCUMENT, "$ref"):
        *path, name = reference.removeprefix("#/").split("/")
        assert name in DOCUMENT[path[0]][path[1]], reference


# --- the errors ----------------------------------------------------------------------------------------------------------


def test_every_published_code_is_documented_with_its_status():
    told = {}
    for name, each in DOCUMENT["components"]["responses"].items():
        narrowed = each["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]
        told |= dict.fromkeys(narrowed["code"]["enum"], int(name.removeprefix("Problem")))
        assert narrowed["status"]["const"] == int(name.removeprefix("Problem"))
    assert told == dict(STATUS)
    assert SCHEMAS["Problem"]["properties"]["code"]["enum"] == list(STATUS)


def test_every_published_code_has_a_meaning_and_a_remedy():
    page = (FOLDER / "docs" / "errors.md").read_text(encoding="utf-8")
    assert list(GUIDE) == list(STATUS)
    for code, each in GUIDE.items():
        assert each.meaning.endswith(".")
        assert each.remedy.endswith(".")
        assert f"| `{code}` | {STATUS[code]} {TITLES[STATUS[code]]} |" in page


def test_who_must_wait_is_told_how_long():
    for status in RETRY_AFTER:
        assert "Retry-After" in DOCUMENT["components"]["responses"][f"Problem{status}"]["headers"]


# --- the facts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "Targeted"])
def test_every_fact_has_a_schema_and_nothing_that_only_the_system_writes_has_one(prefix):
    mapping = SCHEMAS[f"{prefix}Fact"]["discriminator"]["mapping"]
    choices = [each["$ref"] for each in SCHEMAS[f"{prefix}Fact"]["oneOf"]]
    assert list(mapping) == list(e.FACTS)
    assert choices == list(mapping.values())
    for name, reference in mapping.items():
        schema = SCHEMAS[reference.rpartition("/")[2]]
        assert schema["properties"]["type"]["const"] == name
        assert schema["additionalProperties"] is False


@pytest.mark.parametrize(("name", "kind"), e.FACTS.items(), ids=list(e.FACTS))
def test_a_fact_has_its_own_fields_and_its_personal_ones_are_texts(name, kind):
    schema = SCHEMAS[kind.__name__]
    assert set(schema["properties"]) == {"type", "occurred_at", *kind.__struct_fields__}
    required = {field.encode_name for field in msgspec.structs.fields(kind) if field.required}
    assert set(schema["required"]) == {"type", *required}
    for field in personal_fields(kind):
        held = schema["properties"][field]
        held = held.get("items", held)
        assert "string" in held["type"]
        assert held["maxLength"] in (200, 8_000)


def test_the_sealed_form_is_the_logs_alone():
    assert "Sealed" not in SCHEMAS
    assert b"Sealed" not in openapi_bytes()


@pytest.mark.parametrize("name", ["openapi-3.0.json", "swagger-2.0.json"])
def test_older_forms_are_flat(name):
    found = json.loads(FILES[name])
    for word in ("oneOf", "anyOf", "const", "discriminator", "exclusiveMinimum", "contentMediaType"):
        assert not [each for each in every(found, word) if each is not True], word
    assert not [each for each in every(found, "type") if isinstance(each, list)]
    schemas = found["definitions"] if "definitions" in found else found["components"]["schemas"]
    fields = {field for kind in e.FACTS.values() for field in kind.__struct_fields__}
    assert set(schemas["Fact"]["properties"]) == {"type", "occurred_at", *fields}
    assert set(schemas["TargetedFact"]["properties"]) == {"type", "occurred_at", "partnership", "link", *fields}
    assert schemas["Fact"]["properties"]["type"]["enum"] == list(e.FACTS)
    assert schemas["Fact"]["required"] == ["type"]
    assert set(found["paths"]) == set(DOCUMENT["paths"])


# --- the log's schemas -----------------------------------------------------------------------------------------------------


def test_every_type_and_version_of_its_shape_has_a_schema_as_the_log_keeps_it():
    assert STORED["properties"]["type"]["enum"] == list(e.ALL)
    for name, kind in e.ALL.items():
        schema = STORED["$defs"][f"{name}.{kind.schema}"]
        assert set(schema["properties"]) == set(kind.__struct_fields__)
        for field in personal_fields(kind):
            held = schema["properties"][field]
            assert held.get("items", held) == {"$ref": "#/$defs/Sealed"}


@pytest.mark.parametrize("path", sorted((FOLDER / "tests" / "golden").glob("*.json")), ids=lambda path: path.stem)
def test_every_golden_entry_meets_the_schema(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        assert breaches(STORED, json.loads(line), STORED) == []


def test_an_entry_of_another_shape_does_not_meet_the_schema():
    entry = json.loads((FOLDER / "tests" / "golden" / "promise.made.1.json").read_text(encoding="utf-8"))
    assert breaches(STORED, entry | {"schema": 2}, STORED)
    assert breaches(STORED, entry | {"type": "promise.measured"}, STORED)
    assert breaches(STORED, entry | {"data": {**entry["data"], "text": "in the clear"}}, STORED)


# --- the examples ----------------------------------------------------------------------------------------------------------


def test_there_is_an_example_of_every_fact_and_every_body():
    assert list(examples.FACTS) == list(e.FACTS)
    assert set(examples.BODIES) == {*BODIES, "Fact", "TargetedFact"}


@pytest.mark.parametrize("fact", examples.FACTS.values(), ids=list(examples.FACTS))
def test_an_example_of_a_fact_is_read_and_meets_its_schema(fact):
    read = read_fact(read_json(json.dumps(fact).encode()))
    assert read.data.type == fact["type"]
    assert breaches({"$ref": "#/components/schemas/Fact"}, fact, DOCUMENT) == []
    targeted = {"partnership": examples.PARTNERSHIP, **fact}
    assert breaches({"$ref": "#/components/schemas/TargetedFact"}, targeted, DOCUMENT) == []


@pytest.mark.parametrize("change", [{"type": "stage.entered"}, {"oops": 1}, {"actual": "66"}, {"occurred_at": 5}])
def test_what_the_reader_refuses_does_not_meet_the_schema(change):
    fact = examples.FACTS["promise.measured"] | change
    with pytest.raises(ServiceError):
        read_fact(fact)
    assert breaches({"$ref": "#/components/schemas/Fact"}, fact, DOCUMENT)


def test_the_example_of_a_fact_by_link_is_read():
    target, fields = split_target(examples.BODIES["TargetedFact"])
    assert target.external_id == examples.LINK["external_id"]
    assert read_fact(fields).data.type == "promise.measured"


def test_the_example_of_an_import_is_read_line_by_line():
    for line in examples.IMPORT.splitlines():
        value = read_json(line.encode())
        value.pop("key", None)
        _, fields = split_target(value)
        assert read_fact(fields)


@pytest.mark.parametrize(("name", "kind"), BODIES.items(), ids=list(BODIES))
def test_the_example_of_a_body_is_read_and_meets_its_schema(name, kind):
    assert isinstance(shape(examples.BODIES[name], kind), kind)
    assert breaches(SCHEMAS[name], examples.BODIES[name], DOCUMENT) == []


def test_the_example_of_a_forced_transition_is_read():
    assert shape(examples.FORCE, facts_api.TransitionBody).force is not None
    assert breaches(SCHEMAS["TransitionBody"], examples.FORCE, DOCUMENT) == []


@pytest.mark.parametrize(("name", "answer"), examples.ANSWERS.items(), ids=list(examples.ANSWERS))
def test_the_example_of_an_answer_meets_its_schema(name, answer):
    assert breaches(SCHEMAS[name], answer, DOCUMENT) == []


# --- the real answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/partnerships/{id}", "Partnership"),
        ("/v1/partnerships", "PartnershipPage"),
        ("/v1/partnerships/{id}/history", "History"),
        ("/v1/partnerships/{id}/transitions", "Transitions"),
        ("/v1/partnerships/{id}/events", "EventPage"),
        ("/v1/events/1", "Event"),
        ("/v1/me", "Me"),
        ("/v1/keys", "KeyPage"),
        ("/v1/connectors", "ConnectorPage"),
        ("/v1/connectors/pagerduty", "Connector"),
        ("/v1/policies", "PolicyPage"),
        ("/v1/machine", "Machine"),
        ("/healthz", "Status"),
    ],
)
async def test_a_real_answer_meets_its_schema(http, path, name):
    opened = await open_partnership(http, links=[examples.LINK])
    await http.post(f"/v1/partnerships/{opened['id']}/facts", json=examples.FACTS["promise.made"])
    answer = await http.post(f"/v1/partnerships/{opened['id']}/facts", json=examples.FACTS["promise.measured"])
    assert breaches(SCHEMAS["Recorded"], answer.json(), DOCUMENT) == []
    assert breaches(SCHEMAS[name], await get(http, path.format(id=opened["id"])), DOCUMENT) == []


async def test_a_real_problem_meets_its_schema(http):
    opened = await open_partnership(http)
    refused = await http.post(f"/v1/partnerships/{opened['id']}/transitions", json={"trigger": "separate"})
    assert refused.status_code == 409
    for answer in (refused, await http.get("/v1/partnerships/pn_none"), await http.get("/v1/keys?oops=1")):
        assert breaches(SCHEMAS["Problem"], answer.json(), DOCUMENT) == []
