"""`noces openapi` and `noces diagram`."""

from pathlib import Path

import rich_click as click

from service.cli.options import common, show


@click.command()
@common
@click.option(
    "--write", "folder", is_flag=False, flag_value="openapi", help="Write the documents to a folder (openapi)."
)
def openapi(database: str | None, as_json: bool, folder: str | None) -> None:  # noqa: ARG001  # the common options
    """Print the OpenAPI document, or write all documents, and the pages of docs/ beside them that code makes."""
    from service.openapi import openapi_bytes, write_documents
    from service.pages import write_pages

    if folder is None:
        click.echo(openapi_bytes().decode())
        return
    written = [str(path) for path in (*write_documents(Path(folder)), *write_pages(Path(folder).parent / "docs"))]
    show(written, as_json=as_json, text="\n".join(written))


@click.command()
@common
@click.option("--format", "form", type=click.Choice(["mermaid", "svg"]), default="mermaid", help="What to draw in.")
def diagram(database: str | None, as_json: bool, form: str) -> None:  # noqa: ARG001  # the common options
    """Draw the machine from the machine."""
    from service import diagram as drawing

    drawn = drawing.svg() if form == "svg" else drawing.mermaid()
    show({"format": form, "drawing": drawn}, as_json=as_json, text=drawn)
