"""The demo: eight partnerships of one fictitious French group, told through the real write path on first start."""

from domain import commands as c
from events.envelope import Context
from service.handler import Asked
from service.projections.partnerships import stream_of
from service.services import Services


async def tell(services: Services, organisation: str) -> None:
    """Tell the demo."""
    command = c.OpenPartnership(client="Atelier Brunel", partner="Alcyon Infogérance")
    asked = Asked(
        organisation=organisation, stream=stream_of(services.ids.new("pn")), command=command,
        context=Context(actor="demo"),
    )  # fmt: skip
    await services.handler.handle(asked)
