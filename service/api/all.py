"""Every route of the service."""

from service.api import admin, events, facts, hooks, meta, partnerships

ROUTES = (
    *partnerships.ROUTES,
    *facts.ROUTES,
    *events.ROUTES,
    *admin.ROUTES,
    *hooks.ROUTES,
    *meta.ROUTES,
)
