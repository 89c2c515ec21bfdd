"""Persons: what is held of somebody, and how it is forgotten."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from domain.types import NAME_LIMIT
from events.codec import from_microseconds
from service.api.events import no_event
from service.api.paging import page, read_cursor
from service.api.partnerships import PAGED
from service.api.route import Answer, Call, Route
from service.errors import ServiceError
from service.projections import people as table
from service.views import instant


class PersonName(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom to look for."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT)]


async def list_persons(call: Call) -> Answer:
    """The people whom events name, by id; their names stand in the events, and in an access request."""
    found = await table.list_people(call.services.query, call.organisation, read_cursor(call), call.limit + 1)
    shown = found[: call.limit]
    return page(call, [_view(each) for each in shown], shown[-1].id if len(found) > len(shown) else None)


async def find_person(call: Call) -> Answer:
    """The person of a name, whatever its case and spelling of accents."""
    name = call.body(PersonName).name
    known = await call.services.vault.person_named(call.organisation, name)
    found = None if known is None else await table.find_person(call.services.query, call.organisation, known)
    if found is None:
        raise ServiceError("not_found", "There is nobody of this name here.")
    return Answer(body=_view(found))


async def get_person(call: Call) -> Answer:
    """One person by id."""
    return Answer(body=_view(await call.services.persons.find(call.organisation, call.path("id"))))


async def export_person(call: Call) -> Answer:
    """Everything that is held of a person, for an access request: every value and text that names them, and where it stands."""
    return Answer(body=await call.services.persons.tell(call.organisation, call.path("id")))


async def erase_person(call: Call) -> Answer:
    """Forget a person for ever, with the free texts that name them: the keys are destroyed, hashes and histories stay."""
    once = await call.idempotency(200)
    return Answer(body=await call.services.persons.erase(call.organisation, call.path("id"), call.context, once))


async def erase_text(call: Call) -> Answer:
    """Forget the free text of one event for ever; the event stays."""
    position = call.path_number("position")
    if not position:
        raise no_event(call)
    once = await call.idempotency(200)
    return Answer(body=await call.services.persons.erase_text(call.organisation, position, call.context, once))


def _view(person: table.Person) -> dict[str, Any]:
    return {
        "id": person.id, "events": person.events, "first_position": person.first_position,
        "last_position": person.last_position,
        "erased_at": None if person.erased_at is None else instant(from_microseconds(person.erased_at)),
    }  # fmt: skip


ROUTES = (
    Route(
        method="GET", path="/v1/persons", scope="admin", run=list_persons, summary="List persons",
        answers={200: "PersonPage"}, parameters=PAGED,
    ),
    Route(
        method="POST", path="/v1/persons/find", scope="admin", run=find_person, summary="Find a person by name",
        body=PersonName, answers={200: "Person"}, problems=(404,), idempotent_key=False,
    ),
    Route(
        method="GET", path="/v1/persons/{id:str}", scope="admin", run=get_person, summary="Read a person",
        answers={200: "Person"}, problems=(404,),
    ),
    Route(
        method="GET", path="/v1/persons/{id:str}/export", scope="admin", run=export_person,
        summary="All that is held of a person", answers={200: "PersonExport"}, problems=(404,),
    ),
    Route(
        method="POST", path="/v1/persons/{id:str}/erase", scope="admin", run=erase_person, summary="Forget a person",
        answers={200: "Erased"}, problems=(404,),
    ),
    Route(
        method="POST", path="/v1/events/{position:str}/erase", scope="admin", run=erase_text,
        summary="Forget an event's free text", answers={200: "Erased"}, problems=(404,),
    ),
)  # fmt: skip
