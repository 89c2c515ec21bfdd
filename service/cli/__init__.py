"""The command line: serve, and everything that an operator does beside it."""

import rich_click as click

from service.cli.backup import backup, restore
from service.cli.capsule import capsule
from service.cli.connectors import connectors, trigger
from service.cli.documents import diagram, openapi
from service.cli.export import export
from service.cli.keys import keys
from service.cli.log import checkpoint, doctor, import_file, log_group, rebuild
from service.cli.persons import persons
from service.cli.policies import policy
from service.cli.replay import replay, verify
from service.cli.serving import serve
from service.cli.sources import sources
from service.cli.tokens import token


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="noces")
def main() -> None:
    """Noces: an event-sourced state machine for technology partnerships."""


log_group.add_command(token)
for command in (
    serve,
    keys,
    persons,
    sources,
    policy,
    replay,
    verify,
    export,
    capsule,
    backup,
    restore,
    log_group,
    checkpoint,
    import_file,
    rebuild,
    doctor,
    openapi,
    diagram,
    connectors,
    trigger,
):
    main.add_command(command)
