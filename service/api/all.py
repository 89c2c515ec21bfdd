"""Every route of the service."""

from service.api import admin, events, facts, hooks, meta, partnerships, sources

ROUTES = (
    *partnerships.ROUTES,
    *facts.ROUTES,
    *events.ROUTES,
    *admin.ROUTES,
    *sources.ROUTES,
    *hooks.ROUTES,
    *meta.ROUTES,
)
