"""What the service tells of itself: counters and times for `/metrics`, structured logs without personal data."""

import logging
import sys

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from structlog.typing import EventDict

from service.request_log import REQUEST_ID

MEDIA_TYPE = CONTENT_TYPE_LATEST

log = structlog.get_logger()


class Telemetry:
    """The service's own metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "noces_requests", "Requests by route and status.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "noces_request_seconds", "Seconds from request to answer.", ("method", "route"), registry=self.registry
        )
        self._refused = Counter(
            "noces_hooks_refused",
            "Deliveries refused by source and reason.",
            ("source", "reason"),
            registry=self.registry,
        )
        self._items = Counter(
            "noces_inbox_items",
            "Items of deliveries by source and outcome.",
            ("source", "outcome"),
            registry=self.registry,
        )
        self._silent = Gauge(
            "noces_source_silent",
            "1 for a source that was silent for longer than it was set to be.",
            ("source",),
            registry=self.registry,
        )
        self._events = Counter("noces_events", "Events recorded.", registry=self.registry)
        self._unauthenticated = Counter(
            "noces_unauthenticated",
            "Requests without a usable key or token, by reason.",
            ("reason",),
            registry=self.registry,
        )
        self._limited = Counter(
            "noces_rate_limited", "Requests refused because there were too many.", ("policy",), registry=self.registry
        )
        self.queued = Gauge("noces_queued_commands", "Commands that wait for the writer.", registry=self.registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def refused(self, source: str, reason: str) -> None:
        """Count a refused delivery."""
        self._refused.labels(source, reason).inc()

    def item(self, source: str, outcome: str) -> None:
        """Count what became of an item."""
        self._items.labels(source, outcome).inc()

    def silent(self, source: str, *, yes: bool) -> None:
        """Tell whether a source has fallen silent."""
        self._silent.labels(source).set(1 if yes else 0)

    def recorded(self, count: int) -> None:
        """Count recorded events."""
        self._events.inc(count)

    def unauthenticated(self, reason: str) -> None:
        """Count a request without a usable key or token, and say so in the log."""
        self._unauthenticated.labels(reason).inc()
        log.warning("unauthenticated", reason=reason)

    def limited(self, policy: str) -> None:
        """Count a request that was one too many."""
        self._limited.labels(policy).inc()

    def text(self) -> bytes:
        """The exposition of all metrics."""
        return generate_latest(self.registry)


def _with_request_id(_: object, __: str, line: EventDict) -> EventDict:
    if (request_id := REQUEST_ID.get(None)) is not None:
        line["request_id"] = request_id
    return line


def configure_logs(*, json: bool) -> None:
    """Log lines for machines, or for people at a terminal; libraries speak up from warnings on."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    render = structlog.processors.JSONRenderer() if json else plain
    structlog.configure(
        processors=[
            _with_request_id,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
