"""The documentation page: every route, fact and error is on it, and it needs nothing but what this server serves."""

import re
from html import unescape
from html.parser import HTMLParser

import pytest

from domain.events import FACTS
from service.api.all import ROUTES
from service.api.route import PUBLIC
from service.errors import STATUS
from service.openapi import documents, path_of
from service.web.chapters import curl
from service.web.documentation import HEADERS, asset, page
from service.web.marks import code, element, inline, prose
from service.web.shapes import kind

VOID = {"meta", "link", "img", "br"}
SOURCES = {"default-src": "'none'", "style-src": "'self'", "img-src": "'self' data:"}


class Reader(HTMLParser):
    """Reads a page and remembers ids, links and every element that was opened."""

    def __init__(self):
        super().__init__()
        self.ids, self.links, self.tags, self.open, self.attributes = [], [], [], [], set()

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.attributes |= set(found)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[name] for name in ("href", "src") if name in found]
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text():
    return page().decode()


@pytest.fixture(scope="module")
def read(text):
    reader = Reader()
    reader.feed(text)
    return reader


# --- what is on it ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", ROUTES, ids=lambda each: f"{each.method} {path_of(each)}")
def test_every_route_is_told_with_its_path_scope_and_command(route, text):
    article = re.search(rf'<article id="{route.run.__name__}">.*?</article>', text, re.DOTALL)
    assert article is not None
    told = unescape(re.sub(r"<[^>]+>", "", article[0]))
    assert path_of(route) in told
    assert route.method in told
    assert (route.scope if route.scope not in ("", "operator") else "") in told.lower()
    assert "curl" in told
    assert all(each.name in told for each in route.parameters)
    assert all(f">{status}</span>" in article[0] for status in route.answers)
    assert ("$NOCES_KEY" in told) == (route.scope != PUBLIC)


@pytest.mark.parametrize("name", FACTS)
def test_every_fact_is_told_with_its_fields(name, text):
    told = re.search(rf'<details id="fact-{re.escape(name)}".*?</details>', text, re.DOTALL)
    assert told is not None
    assert all(f"<code>{field}</code>" in told[0] for field in FACTS[name].__struct_fields__)


def test_every_error_is_told(read):
    assert {f"error-{each}" for each in STATUS} <= set(read.ids)


# --- what it needs ---------------------------------------------------------------------------------------------------------


def test_elements_are_closed_and_ids_are_given_once(read):
    assert read.open == []
    assert len(read.ids) == len(set(read.ids))


def test_links_inside_the_page_lead_somewhere(read):
    assert {each[1:] for each in read.links if each.startswith("#")} <= set(read.ids)


def test_the_page_takes_everything_from_this_server(read):
    outside = [each for each in read.links if not each.startswith(("#", "data:"))]
    assert {each.removeprefix("docs/") for each in outside} <= {"style.css", "machine.svg", *documents()}


def test_the_page_has_no_script_and_no_style_of_its_own(read):
    assert not {"script", "style", "iframe", "form", "object"} & set(read.tags)
    assert not {name for name in read.attributes if name == "style" or name.startswith("on")}


def test_the_policy_allows_what_the_page_needs_and_nothing_else():
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert SOURCES.items() <= policy.items()
    assert {policy[name] for name in policy.keys() - SOURCES} == {"'none'"}


def test_the_page_is_read_on_a_phone_and_in_the_dark(text):
    style = asset("style.css")[1].decode()
    assert 'content="width=device-width, initial-scale=1"' in text
    assert "prefers-color-scheme: dark" in style
    assert "max-width: 40rem" in style
    assert "http" not in style


# --- files -----------------------------------------------------------------------------------------------------------------


def test_known_files_are_served_with_their_types():
    assert asset("style.css")[0] == "text/css; charset=utf-8"
    assert asset("machine.svg")[0] == "image/svg+xml"
    for name in ("openapi-3.0.json", "swagger-2.0.json", "events.json"):
        assert asset(name) == ("application/json", documents()[name])


@pytest.mark.parametrize(
    "name", ["", "nope.css", "../documentation.py", "static/style.css", "__init__.py", "style.css/"]
)
def test_other_files_are_not_served(name):
    assert asset(name) is None


async def test_the_page_and_its_files_are_served_with_the_policy(http):
    for path, media_type in (
        ("/docs", "text/html"),
        ("/docs/style.css", "text/css"),
        ("/docs/machine.svg", "image/svg+xml"),
    ):
        answer = await http.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(media_type)
        assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]


async def test_a_file_that_is_not_there_is_not_found(http):
    assert (await http.get("/docs/nope.css")).status_code == 404


# --- marks -----------------------------------------------------------------------------------------------------------------


def test_whatever_comes_from_elsewhere_is_escaped():
    assert code("<b>&") == "<code>&lt;b&gt;&amp;</code>"
    assert inline("a `<b>` **c**") == "a <code>&lt;b&gt;</code> <strong>c</strong>"
    assert element("a", "x", href='"><script>') == '<a href="&quot;&gt;&lt;script&gt;">x</a>'


def test_prose_has_paragraphs_and_lists():
    assert prose("One.\n\n- a\n- b\n\nTwo.") == "<p>One.</p><ul><li>a</li><li>b</li></ul><p>Two.</p>"


def test_a_command_quotes_its_body_for_the_shell():
    body = {"application/json": {"examples": {"one": {"value": {"text": "it's"}}}}}
    found = curl("POST", "/x", {"parameters": [], "security": [], "requestBody": {"content": body}})
    assert found.endswith("""-d '{"text": "it'\\''s"}'""")


def test_types_are_told_in_words():
    assert (
        kind({"type": ["string", "null"], "minLength": 1, "maxLength": 1000}) == "string or null, 1 to 1,000 characters"
    )
    assert kind({"type": "array", "items": {"$ref": "#/x/Link"}}) == 'list of <a href="#schema-Link">Link</a>'
    assert kind({"type": "integer", "minimum": 1}) == "integer, at least 1"
