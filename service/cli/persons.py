"""`noces persons`."""

import msgspec
import rich_click as click

from service.cli.options import common, run, show
from service.settings import read_settings

ORGANISATION = click.option("--organisation", help="Whose log; default NOCES_ORGANISATION.")


@click.group()
def persons() -> None:
    """People whom the log names: found, told of, forgotten."""


@persons.command("find")
@common
@click.argument("name")
@ORGANISATION
def find(database: str | None, as_json: bool, name: str, organisation: str | None) -> None:
    """Tell the id of a person by NAME."""
    from service.operations import persons as work

    found = run(work.find(read_settings({"database": database}), organisation, name))
    show(found, as_json=as_json, text=f"{found['id']}  {found['events']} events")


@persons.command("export")
@common
@click.argument("person")
@ORGANISATION
def export(database: str | None, as_json: bool, person: str, organisation: str | None) -> None:
    """Print as JSON all that is held of a PERSON, for an access request."""
    from service.operations import persons as work

    told = run(work.export(read_settings({"database": database}), organisation, person))
    show(told, as_json=as_json, text=msgspec.json.format(msgspec.json.encode(told), indent=2).decode())


@persons.command("erase")
@common
@click.argument("person")
@click.option("--yes", is_flag=True, help="Do not ask.")
@ORGANISATION
def erase(database: str | None, as_json: bool, person: str, yes: bool, organisation: str | None) -> None:
    """Forget a PERSON for ever, with the free texts that name them."""
    from service.operations import persons as work

    if not yes:
        click.confirm(f"Forget {person} for ever?", abort=True, err=True)
    told = run(work.erase(read_settings({"database": database}), organisation, person))
    text = f"{person} was erased at position {told['position']}; {told['deliveries']} deliveries were purged."
    show(told, as_json=as_json, text=text)


@persons.command("erase-text")
@common
@click.argument("position", type=int)
@click.option("--yes", is_flag=True, help="Do not ask.")
@ORGANISATION
def erase_text(database: str | None, as_json: bool, position: int, yes: bool, organisation: str | None) -> None:
    """Forget the free text of the event at a POSITION for ever."""
    from service.operations import persons as work

    if not yes:
        click.confirm(f"Forget the text of event {position} for ever?", abort=True, err=True)
    told = run(work.erase_text(read_settings({"database": database}), organisation, position))
    show(told, as_json=as_json, text=f"The text of {told['id']} was erased at position {told['position']}.")
