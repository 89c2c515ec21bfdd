"""What every request passes and every answer carries: hosts, origins, methods, security headers, who may read what."""

import gzip
import json
import re
from html.parser import HTMLParser

import httpx
import pytest

from service.api.all import ROUTES
from service.api.serving import build
from service.openapi import path_example
from service.settings import SettingsError
from tests.service.senders import SECRET, incident, signed
from tests.service.world import JSON, NDJSON, NOON, Time, client, head, make_key, problem, settings_of, started

pytestmark = pytest.mark.asyncio(loop_scope="module")
PAGE = "https://app.example"
PREFLIGHT = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture
def http(shared):
    return shared[1]


@pytest.fixture
def chosen(tmp_path):
    """Starts services with settings of their own: `async with chosen(docs="off") as http`."""

    class Chosen:
        def __init__(self, **settings):
            self.settings = settings_of(tmp_path, **settings)

        async def __aenter__(self):
            self.running = started(self.settings, Time())
            services = await self.running.__aenter__()
            self.client = client(services, await make_key(services))
            http = await self.client.__aenter__()
            http.services = services
            return http

        async def __aexit__(self, *error):
            await self.client.__aexit__(*error)
            await self.running.__aexit__(*error)

    return Chosen


def addresses():
    """(method, address) of every route, with something in place of every name."""
    for route in ROUTES:
        names = re.findall(r"\{(\w+):\w+\}", route.path)
        path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
        yield route.method, path.format(**{name: path_example(route.path, name) for name in names})


# --- headers -----------------------------------------------------------------------------------------------------------


async def test_every_answer_carries_the_security_headers(http):
    for path in ("/healthz", "/docs", "/v1/me", "/v1/nothing", "/v1/partnerships?limit=0", "/openapi.json", "/metrics"):
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            headers = (await http.request(method, path)).headers
            assert headers["x-content-type-options"] == "nosniff", (method, path)
            assert headers["x-frame-options"] == "DENY"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["strict-transport-security"] == "max-age=31536000"
            assert headers["cache-control"] in ("no-store", "no-cache")
            assert headers["content-security-policy"].startswith("default-src 'none'")
            assert headers.get_list("content-security-policy") == [headers["content-security-policy"]]
            assert "server" not in headers


async def test_without_https_no_browser_is_told_to_insist_on_it(chosen):
    async with chosen(public_base_url="http://noces.example") as http:
        assert "strict-transport-security" not in (await http.get("/healthz")).headers


class Page(HTMLParser):
    """Every element and its attributes."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


async def test_the_page_of_documentation_needs_nothing_that_its_policy_forbids(http):
    answer = await http.get("/docs")
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["style-src"] == "'self'"
    assert "unsafe" not in answer.headers["content-security-policy"]
    page = Page()
    page.feed(answer.text)
    loaded = []
    for tag, attributes in page.found:
        assert tag not in ("script", "style", "iframe", "object", "embed", "base", "form")
        assert "style" not in attributes, (tag, attributes)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        loaded += [attributes["src"]] if "src" in attributes else []
        loaded += [attributes["href"]] if tag == "link" else []
        assert not (attributes.get("href") or "").lower().startswith("javascript:")
    for address in loaded:
        if not address.startswith("data:image/"):
            assert "//" not in address
            assert (await http.get(f"/{address}")).status_code == 200
    assert "docs/style.css" in loaded


async def test_the_drawing_of_the_page_carries_no_script(http):
    drawn = (await http.get("/docs/machine.svg")).text.lower()
    assert "<script" not in drawn
    assert not re.search(r"\son\w+=", drawn)


# --- methods -----------------------------------------------------------------------------------------------------------


async def test_head_answers_as_get_does_without_a_body(http):
    for method, path in addresses():
        if method != "GET" or path.endswith("/docs"):
            continue
        by_get, by_head = await http.get(path), await http.head(path)
        assert (by_head.status_code, by_head.content) == (by_get.status_code, b""), path
        assert by_head.headers["content-type"] == by_get.headers["content-type"]


async def test_options_and_methods_that_an_address_does_not_take_are_answered_in_order(http, shared):
    before = await head(shared[0])
    for _, path in addresses():
        if path.startswith("/hooks/"):
            continue
        answer = await http.options(path)
        assert answer.status_code == 204, (path, answer.text)
        taken = {each.strip() for each in answer.headers["allow"].split(",")}
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - taken:
            refused = await http.request(method, path)
            problem(refused, 405, "method_not_allowed")
            assert method not in refused.headers["allow"].split(", ")
        problem(await http.request("TRACE", path), 405, "method_not_allowed")
    assert await head(shared[0]) == before


# --- hosts -------------------------------------------------------------------------------------------------------------


async def test_without_a_list_every_host_is_answered(http):
    assert (await http.get("/v1/me", headers={"Host": "whatever.example"})).status_code == 200


async def test_only_hosts_of_the_list_are_answered(chosen):
    async with chosen(allowed_hosts="noces.example, *.inside.example,[::1]") as http:
        for host in ("noces.example", "NOCES.example:8443", "noces.example.", "a.inside.example", "a.b.inside.example:1", "[::1]:8000"):  # fmt: skip
            assert (await http.get("/v1/me", headers={"Host": host})).status_code == 200, host
        for host in ("evil.example", "noces.example.evil.example", "inside.example", "evilinside.example", "", "noces.example@evil", "127.0.0.1"):  # fmt: skip
            told = problem(await http.get("/v1/me", headers={"Host": host}), 400, "bad_request")
            assert "noces.example" not in told["detail"].replace(repr(host), "")


async def test_health_is_told_to_whoever_asks_by_address(chosen):
    async with chosen(allowed_hosts="noces.example") as http:
        for path in ("/healthz", "/readyz"):
            assert (await http.get(path, headers={"Host": "10.0.0.7:8000"})).status_code == 200
        problem(await http.get("/docs", headers={"Host": "10.0.0.7:8000"}), 400, "bad_request")


async def test_two_hosts_are_one_too_many(http):
    request = httpx.Request("GET", "https://noces.example/healthz", headers=[("Host", "a"), ("Host", "b")])
    problem(await http.send(request), 400, "bad_request")


@pytest.mark.parametrize("hosts", ["*", "https://noces.example", "noces.example:443", "a b"])
async def test_a_list_of_hosts_that_are_none_is_told_at_the_start(shared, hosts):
    with pytest.raises(SettingsError, match="NOCES_ALLOWED_HOSTS"):
        build_with(shared, allowed_hosts=hosts)


def build_with(shared, **chosen):
    class Services:
        settings = settings_of(shared[0].settings.database_path.parent, **chosen)
        ids = shared[0].ids

    return build(Services())


# --- pages of other origins ------------------------------------------------------------------------------------------------


async def test_no_page_of_another_origin_may_read_an_answer(http):
    asked = await http.options("/v1/partnerships", headers=PREFLIGHT)
    read = await http.get("/v1/me", headers={"Origin": PAGE})
    for answer in (asked, read):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_pages_of_the_listed_origins_may_and_no_others(chosen):
    async with chosen(cors_origins=f"{PAGE}, http://localhost:3000") as http:
        asked = await http.options("/v1/partnerships", headers=PREFLIGHT)
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == PAGE
        assert "POST" in asked.headers["access-control-allow-methods"]
        assert "Authorization" in asked.headers["access-control-allow-headers"]
        for path, status in (("/v1/me", 200), ("/v1/nothing", 404)):
            read = await http.get(path, headers={"Origin": PAGE})
            assert read.status_code == status
            assert read.headers["access-control-allow-origin"] == PAGE
            assert "RateLimit" in read.headers["access-control-expose-headers"]
            assert "Origin" in read.headers["vary"]
        for origin in (
            "https://evil.example",
            "https://app.example.evil.example",
            "http://app.example",
            "null",
            PAGE + ":444",
        ):
            for answer in (
                await http.get("/v1/me", headers={"Origin": origin}),
                await http.options("/v1/partnerships", headers={**PREFLIGHT, "Origin": origin}),
            ):
                assert not [name for name in answer.headers if name.startswith("access-control-")], origin
        assert "access-control-allow-credentials" not in read.headers


async def test_hooks_are_not_for_pages(chosen):
    async with chosen(cors_origins=PAGE) as http:
        for answer in (
            await http.options("/hooks/src_1", headers=PREFLIGHT),
            await http.post("/hooks/src_1", headers={"Origin": PAGE}),
        ):
            assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("origins", ["*", "app.example", "https://app.example/", "https://*.example", "null"])
async def test_a_list_of_origins_that_are_none_is_told_at_the_start(shared, origins):
    with pytest.raises(SettingsError, match="NOCES_CORS_ORIGINS"):
        build_with(shared, cors_origins=origins)


# --- who may read the documentation and the metrics ------------------------------------------------------------------------


async def test_documentation_and_metrics_can_be_kept_for_keys(chosen):
    async with chosen(docs="key", metrics="key") as http:
        async with (
            client(http.services, await make_key(http.services, ["read"])) as reader,
            client(http.services, "") as nobody,
        ):
            for path in ("/docs", "/docs/style.css", "/openapi.json"):
                problem(await nobody.get(path), 401, "unauthenticated")
                assert (await reader.get(path)).status_code == 200
            challenge = (await nobody.get("/docs")).headers["www-authenticate"]
            assert "Basic" in challenge
            problem(await nobody.get("/metrics"), 401, "unauthenticated")
            problem(await reader.get("/metrics"), 403, "forbidden")
            assert (await http.get("/metrics")).status_code == 200
            assert (await nobody.get("/healthz")).status_code == 200


async def test_documentation_and_metrics_can_be_switched_off(chosen):
    async with chosen(docs="off", metrics="off") as http:
        for path in ("/docs", "/docs/style.css", "/openapi.json", "/metrics"):
            problem(await http.get(path), 404, "not_found")
        assert (await http.get("/v1/me")).status_code == 200


# --- packed bodies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "GZIP", "gzip, identity", "x"])
async def test_a_packed_body_is_refused_everywhere(http, shared, coding):
    fact = {"partnership": "pn_1", "type": "incident.reopened", "incident": "i"}
    packed = gzip.compress(json.dumps(fact).encode())
    source = (
        await http.post("/v1/sources", json={"connector": "pagerduty", "name": coding, "secrets": [SECRET]})
    ).json()
    before = await head(shared[0])
    coded = {"Content-Encoding": coding}
    for path, headers in (
        ("/v1/partnerships", JSON), ("/v1/facts", JSON), ("/v1/facts", NDJSON), ("/v1/facts?results=all", NDJSON),
        (f"/hooks/{source['id']}", {}),
    ):  # fmt: skip
        told = problem(
            await http.post(path, content=packed, headers={**headers, **coded}), 415, "unsupported_media_type"
        )
        assert "Content-Encoding" in told["detail"]
    assert await head(shared[0]) == before


async def test_a_body_that_says_it_is_not_packed_is_read(http):
    body = json.dumps({"client": "A", "partner": "Not packed"}).encode()
    answer = await http.post("/v1/partnerships", content=body, headers={**JSON, "Content-Encoding": "identity"})
    assert answer.status_code == 201
    source = (
        await http.post("/v1/sources", json={"connector": "pagerduty", "name": "plain", "secrets": [SECRET]})
    ).json()
    raw = incident(1)
    headers = {**signed("pagerduty", "", raw, NOON), "Content-Encoding": "identity"}
    assert (await http.post(f"/hooks/{source['id']}", content=raw, headers=headers)).status_code == 202
