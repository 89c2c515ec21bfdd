"""Every route of the service."""

from service.api import admin, events, facts, hooks, keys, meta, partnerships, persons, sources

ROUTES = (
    *partnerships.ROUTES,
    *facts.ROUTES,
    *events.ROUTES,
    *keys.ROUTES,
    *persons.ROUTES,
    *admin.ROUTES,
    *sources.ROUTES,
    *hooks.ROUTES,
    *meta.ROUTES,
)
