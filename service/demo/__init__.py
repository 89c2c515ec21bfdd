"""The demo: eight partnerships of one fictitious French group, told through the real write path on first start."""

import asyncio
from datetime import date

from domain import commands as c
from events.envelope import Context
from service.asked import Asked
from service.demo.ended import ENDED
from service.demo.living import LIVING
from service.demo.telling import Story, commands
from service.projections.partnerships import stream_of
from service.services import Services

CLIENT = "Atelier Brunel"
STORIES = (*ENDED, *LIVING)


async def tell(services: Services, organisation: str) -> None:
    """Tell the stories up to today. The clock waits meanwhile, or it would count the silence between two chapters."""
    today = services.clock().date()
    await services.time.rounds.stop()
    try:
        await asyncio.gather(*(_tell(services, organisation, story, today) for story in STORIES))
    finally:
        services.time.rounds.start()


async def _tell(services: Services, organisation: str, story: Story, today: date) -> None:
    stream = stream_of(services.ids.new("pn"))
    for command in commands(story, CLIENT, today):
        asked = Asked(organisation=organisation, stream=stream, command=command, context=Context(actor="demo"))
        outcome = await services.handler.handle(asked)
        if outcome.refused and isinstance(command, c.AskTransition):
            message = f"The demo of {story.partner} asks for {command.trigger}, which its own facts do not allow."
            raise RuntimeError(message)
