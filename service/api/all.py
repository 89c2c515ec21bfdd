"""Every route of the service."""

from service.api import (
    admin,
    audits,
    checkpoints,
    clocks,
    events,
    facts,
    hooks,
    keys,
    logs,
    meta,
    partnerships,
    persons,
    sources,
    tokens,
)

ROUTES = (
    *partnerships.ROUTES,
    *clocks.ROUTES,
    *facts.ROUTES,
    *events.ROUTES,
    *keys.ROUTES,
    *persons.ROUTES,
    *admin.ROUTES,
    *logs.ROUTES,
    *checkpoints.ROUTES,
    *tokens.ROUTES,
    *audits.ROUTES,
    *sources.ROUTES,
    *hooks.ROUTES,
    *meta.ROUTES,
)
