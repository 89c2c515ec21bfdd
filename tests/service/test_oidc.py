"""Tokens of a company's own issuer: whom they let in, as whom, and every other one refused."""

import asyncio
import base64
import json
from contextlib import asynccontextmanager

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from service.api.serving import build
from service.oidc import LONGEST_TOKEN, read_rules
from service.settings import Settings, SettingsError, read_settings
from tests.service.issuer import KINDS, Issuer
from tests.service.world import client, get, head, make_key, open_partnership, problem, settings_of, started


@pytest.fixture
def issuer():
    with Issuer() as running:
        running.add()
        yield running


@asynccontextmanager
async def trusting(folder, issuer, clock, **chosen):
    settings = settings_of(folder, oidc_issuer=issuer.url, oidc_audience="noces", **chosen)
    async with started(settings, clock) as services:
        yield services


@pytest.fixture
async def services(tmp_path, issuer, clock):
    async with trusting(tmp_path, issuer, clock) as running:
        yield running


def now(clock):
    return clock.now.timestamp()


def count(services, reason):
    return services.telemetry.registry.get_sample_value("noces_unauthenticated_total", {"reason": reason}) or 0


async def refused(services, token, reason):
    before, told = await head(services), count(services, reason)
    async with client(services, token) as http:
        answer = await http.get("/v1/me")
        problem(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert token not in answer.text
    assert count(services, reason) == told + 1
    assert await head(services) == before


@pytest.mark.parametrize("algorithm", KINDS)
async def test_a_token_of_the_issuer_is_as_good_as_a_key(services, issuer, clock, algorithm):
    issuer.add(algorithm)
    async with client(services, issuer.token(now(clock))) as http:
        me = await get(http, "/v1/me")
        assert (me["organisation"], me["scopes"], me["side"], me["partnerships"]) == (
            "acme",
            ["read", "write"],
            None,
            None,
        )
        opened = await open_partnership(http)
        (event,) = (await get(http, f"/v1/partnerships/{opened['id']}/events"))["items"]
        assert event["actor"] == me["key"]
        problem(await http.get("/v1/keys"), 403, "forbidden")


async def test_the_actor_is_the_same_for_the_same_person_and_says_nothing_of_them(services, issuer, clock):
    actors = []
    for subject in ("anne@example.org", "anne@example.org", "ben@example.org"):
        async with client(services, issuer.token(now(clock), sub=subject)) as http:
            actors.append((await get(http, "/v1/me"))["key"])
    assert actors[0] == actors[1] != actors[2]
    assert all(each.startswith("usr_") and "anne" not in each for each in actors)


async def test_two_tokens_of_one_person_are_one_actor_for_an_override(services, issuer, clock):
    def token(subject):
        return issuer.token(now(clock), sub=subject, scope="read write transitions transitions:override")

    async with (
        client(services, token("anne")) as anne,
        client(services, token("anne")) as again,
        client(services, token("ben")) as ben,
    ):
        opened = (await open_partnership(anne))["id"]
        body = {"force": {"to": "power_struggle", "reason": "Known to all"}}
        override = (await anne.post(f"/v1/partnerships/{opened}/transitions", json=body)).json()["id"]
        problem(await again.post(f"/v1/overrides/{override}/approve"), 403, "same_actor")
        assert (await ben.post(f"/v1/overrides/{override}/approve")).status_code == 201


async def test_keys_go_on_beside_tokens(services, issuer):
    async with client(services, await make_key(services)) as http:
        assert (await get(http, "/v1/me"))["key"].startswith("key_")
    assert not issuer.asked


async def test_without_an_issuer_a_token_is_no_key(tmp_path, issuer, clock):
    async with started(settings_of(tmp_path), clock) as services:
        await refused(services, issuer.token(now(clock)), "key_format")


# --- claims --------------------------------------------------------------------------------------------------------


async def test_claims_become_scopes_organisation_side_and_partnerships(tmp_path, issuer, clock):
    chosen = {
        "oidc_scopes_claim": "realm_access.roles", "oidc_scopes": '{"noces-readers": ["read", "audit"]}',
        "oidc_organisation_claim": "tenant", "oidc_side_claim": "noces_side", "oidc_partnerships_claim": "noces_partnerships",
    }  # fmt: skip
    async with trusting(tmp_path, issuer, clock, **chosen) as services:
        claims = {
            "scope": None, "realm_access": {"roles": ["noces-readers", "write", "something else", 7]}, "tenant": "acme",
            "noces_side": "partner", "noces_partnerships": ["pn_1", "pn_2"],
        }  # fmt: skip
        async with client(services, issuer.token(now(clock), **claims)) as http:
            me = await get(http, "/v1/me")
            assert (me["scopes"], me["side"], me["partnerships"]) == (
                ["audit", "read", "write"],
                "partner",
                ["pn_1", "pn_2"],
            )
            problem(await http.get("/v1/partnerships/pn_3"), 404, "not_found")
        async with client(services, issuer.token(now(clock), **{**claims, "realm_access": "none"})) as http:
            assert (await get(http, "/v1/me"))["scopes"] == []
            problem(await http.get("/v1/partnerships"), 403, "forbidden")
        for tenant in ("nobody", "", None, 7, "a\nb", "x" * 201):
            await refused(services, issuer.token(now(clock), **{**claims, "tenant": tenant}), "token_organisation")
        await refused(services, issuer.token(now(clock), **{**claims, "noces_side": "both"}), "token_side")


async def test_a_token_bound_to_partnerships_by_an_empty_list_sees_none(tmp_path, issuer, clock):
    async with trusting(tmp_path, issuer, clock, oidc_partnerships_claim="only") as services:
        async with client(services, issuer.token(now(clock))) as free:
            opened = (await open_partnership(free))["id"]
        async with client(services, issuer.token(now(clock), only=[])) as bound:
            problem(await bound.get(f"/v1/partnerships/{opened}"), 404, "not_found")
            assert (await get(bound, "/v1/partnerships"))["items"] == []


@pytest.mark.parametrize("empty", [None, {}, 7, ""])
async def test_a_binding_claim_that_says_nothing_frees_nobody(tmp_path, issuer, clock, empty):
    chosen = {"oidc_side_claim": "noces.side", "oidc_partnerships_claim": "noces.partnerships"}
    async with trusting(tmp_path, issuer, clock, **chosen) as services:
        await refused(services, issuer.token(now(clock), noces={"side": empty}), "token_side")
        for claims in ({"noces": {"partnerships": empty}}, {"noces": {"partnerships": empty, "side": "partner"}}):
            async with client(services, issuer.token(now(clock), **claims)) as bound:
                assert (await get(bound, "/v1/partnerships"))["items"] == []
                problem(await bound.post("/v1/partnerships", json={"client": "A", "partner": "B"}), 403, "forbidden")
        async with client(services, issuer.token(now(clock), noces={})) as free:
            me = await get(free, "/v1/me")
            assert (me["side"], me["partnerships"]) == (None, None)


# --- what is refused -----------------------------------------------------------------------------------------------


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_a_token_without_a_signature_or_with_a_shared_secret_is_refused(services, issuer, clock):
    claims = issuer.claims(now(clock))
    for name in ("none", "None", "NONE", ""):
        await refused(services, f"{part({'alg': name, 'kid': 'k1'})}.{part(claims)}.", "token_algorithm")
    _, private = issuer.private["k1"]
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for algorithm in ("HS256", "HS384", "HS512"):
        forged = jwt.encode(claims, public * 2, algorithm=algorithm, headers={"kid": "k1"})
        await refused(services, forged, "token_algorithm")


async def test_an_algorithm_that_is_not_the_keys_is_refused(services, issuer, clock):
    issuer.add("RS256", "k2")
    _, private = issuer.private["k2"]
    signed = jwt.encode(issuer.claims(now(clock)), private, algorithm="RS256", headers={"kid": "k1"})
    await refused(services, signed, "token_algorithm")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iss": "https://login.example.org"}, "token_issuer"),
        ({"iss": None}, "token_format"),
        ({"aud": "billing"}, "token_audience"),
        ({"aud": ["billing", "mail"]}, "token_audience"),
        ({"aud": None}, "token_format"),
        ({"sub": None}, "token_format"),
        ({"exp": None}, "token_format"),
        ({"exp": "soon"}, "token_format"),
        ({"sub": 7}, "token_format"),
    ],
)
async def test_a_token_for_others_is_refused(services, issuer, clock, changed, reason):
    await refused(services, issuer.token(now(clock), **changed), reason)


async def test_a_token_counts_between_its_times_by_the_services_own_clock(services, issuer, clock):
    at = now(clock)
    await refused(services, issuer.token(at, exp=at - 60), "token_expired")
    await refused(services, issuer.token(at, nbf=at + 61), "token_not_yet_valid")
    async with client(services, issuer.token(at, exp=at - 59, nbf=at + 60)) as http:
        assert (await http.get("/v1/me")).status_code == 200
        clock.pass_by(seconds=1)
        problem(await http.get("/v1/me"), 401, "unauthenticated")


async def test_what_is_no_token_is_refused(services, issuer, clock):
    good = issuer.token(now(clock))
    head_, body, signature = good.split(".")
    for token in (
        "..",
        "a.b.c",
        f"{head_}.{body}.",
        f"{head_}..{signature}",
        f"é.{body}.{signature}".encode().decode("latin-1"),
    ):
        async with client(services, "x") as http:
            answer = await http.get("/v1/me", headers={"Authorization": f"Bearer {token}".encode("latin-1")})
            problem(answer, 401, "unauthenticated")
    other = jwt.decode(good, options={"verify_signature": False}) | {"scope": "admin"}
    await refused(services, f"{head_}.{part(other)}.{signature}", "token_signature")
    await refused(services, good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBB"), "token_signature")


async def test_why_a_token_was_refused_is_logged_and_the_token_never(services, issuer, clock):
    at, lines = now(clock), []
    app = build(services, tell=lines.append)
    for changed, reason in (({"exp": at - 60}, "token_expired"), ({"aud": "billing"}, "token_audience")):
        token = issuer.token(at, sub="anne@example.org", **changed)
        async with client(services, token, app) as http:
            problem(await http.get("/v1/me"), 401, "unauthenticated")
        assert lines[-1].reason == reason
        assert not [part for part in (*token.split("."), "anne") if part in str(lines[-1])]


async def test_an_oversized_token_is_not_even_parsed(services, issuer, clock):
    await refused(services, issuer.token(now(clock), pad="x" * LONGEST_TOKEN), "token_too_long")
    assert not issuer.asked


# --- the issuer's keys ---------------------------------------------------------------------------------------------


async def test_keys_are_asked_once_and_a_new_one_is_found(services, issuer, clock):
    for _ in range(5):
        async with client(services, issuer.token(now(clock))) as http:
            assert (await http.get("/v1/me")).status_code == 200
    assert sum(issuer.asked.values()) == 2
    issuer.add("RS256", "k2")
    # Within the pause nobody asks the issuer again, whatever tokens name.
    await refused(services, issuer.token(now(clock), kid="k2"), "token_key")
    assert sum(issuer.asked.values()) == 2
    clock.pass_by(seconds=30)
    async with client(services, issuer.token(now(clock), kid="k2")) as http:
        assert (await http.get("/v1/me")).status_code == 200
    assert sum(issuer.asked.values()) == 4


async def test_a_withdrawn_key_ends_with_the_next_reading(services, issuer, clock):
    old = issuer.token(now(clock), exp=now(clock) + 86_400)
    async with client(services, old) as http:
        assert (await http.get("/v1/me")).status_code == 200
        del issuer.private["k1"]
        issuer.add("EdDSA", "k2")
        clock.pass_by(seconds=30)
        async with client(services, issuer.token(now(clock), kid="k2")) as new:
            assert (await new.get("/v1/me")).status_code == 200
        problem(await http.get("/v1/me"), 401, "unauthenticated")


async def test_an_issuer_that_is_away_locks_nobody_out_whose_key_is_known(services, issuer, clock):
    token = issuer.token(now(clock), exp=now(clock) + 86_400)
    async with client(services, token) as http:
        assert (await http.get("/v1/me")).status_code == 200
        issuer.away = True
        for _ in range(3):
            clock.pass_by(hours=1)
            assert (await http.get("/v1/me")).status_code == 200


async def test_keys_an_hour_old_are_asked_for_again_behind_the_request(services, issuer, clock):
    old = issuer.token(now(clock), exp=now(clock) + 86_400)
    async with client(services, old) as http:
        assert (await http.get("/v1/me")).status_code == 200
        issuer.answering.clear()
        del issuer.private["k1"]
        issuer.add("ES256", "k2")
        clock.pass_by(hours=1)
        assert (await http.get("/v1/me")).status_code == 200  # though the issuer has not answered
        issuer.answering.set()
        async with client(services, issuer.token(now(clock), kid="k2")) as new:
            assert (await new.get("/v1/me")).status_code == 200  # it waits for the same answer
        problem(await http.get("/v1/me"), 401, "unauthenticated")
    assert sum(issuer.asked.values()) == 4


async def test_an_issuer_that_hangs_keeps_no_request_and_no_known_key_waiting(services, issuer, clock):
    issuer.answering.clear()
    async with client(services, issuer.token(now(clock))) as http, client(services, await make_key(services)) as keyed:
        waiting = asyncio.create_task(http.get("/v1/me"))
        assert (await keyed.get("/v1/me")).status_code == 200
        assert not waiting.done()
        problem(await waiting, 503, "unavailable")
        # The question is still under way: its answer counts, without another one.
        issuer.answering.set()
        assert (await http.get("/v1/me")).status_code == 200
    assert sum(issuer.asked.values()) == 2


@pytest.mark.parametrize(
    "junk",
    [
        "a text",
        None,
        7,
        {},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "k9"},
        {"kty": "OKP", "crv": ["Ed25519"], "kid": "k9"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "k9"},
        {"kty": "RSA", "n": 5, "e": "AQAB", "kid": "k9"},
    ],
)
async def test_junk_among_the_issuers_keys_takes_no_good_one_away(services, issuer, clock, junk):
    issuer.beside.append(junk)
    async with client(services, issuer.token(now(clock))) as http:
        assert (await http.get("/v1/me")).status_code == 200
    issuer.private["k9"] = issuer.private["k1"]
    await refused(services, issuer.token(now(clock), kid="k9"), "token_key")


async def test_a_refused_token_is_counted_wherever_it_is_sent(services, issuer, clock):
    before = count(services, "token_expired")
    async with client(services, issuer.token(now(clock), exp=now(clock) - 60)) as http:
        for query in ("", "?results=all"):
            headers = {"Content-Type": "application/x-ndjson"}
            problem(await http.post(f"/v1/facts{query}", content=b"{}", headers=headers), 401, "unauthenticated")
    assert count(services, "token_expired") == before + 2


async def test_an_issuer_that_was_never_reached_is_told_as_such(services, issuer, clock):
    issuer.away = True
    async with client(services, issuer.token(now(clock))) as http:
        answer = await http.get("/v1/me")
        problem(answer, 503, "unavailable")
        assert "retry-after" in answer.headers


async def test_an_issuer_that_calls_itself_otherwise_gives_no_keys(services, issuer, clock):
    issuer.calls_itself = "https://login.example.org"
    async with client(services, issuer.token(now(clock))) as http:
        problem(await http.get("/v1/me"), 503, "unavailable")


async def test_a_hundred_tokens_at_once_ask_the_issuer_once(services, issuer, clock):
    async with client(services, issuer.token(now(clock))) as http:
        answers = await asyncio.gather(*(http.get("/v1/me") for _ in range(100)))
    assert {each.status_code for each in answers} == {200}
    assert sum(issuer.asked.values()) == 2


# --- settings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"oidc_issuer": "http://login.example.org", "oidc_audience": "noces"}, "https"),
        ({"oidc_issuer": "https://login.example.org"}, "NOCES_OIDC_AUDIENCE"),
        (
            {"oidc_issuer": "https://login.example.org", "oidc_audience": "n", "oidc_scopes": "readers"},
            "NOCES_OIDC_SCOPES takes JSON",
        ),
        ({"oidc_issuer": "https://login.example.org", "oidc_audience": "n", "oidc_scopes": '{"a": ["fly"]}'}, "fly"),
    ],
)
def test_settings_that_would_let_strangers_in_are_refused(chosen, told):
    with pytest.raises(SettingsError, match=told):
        read_rules(Settings(**chosen))


def test_settings_come_from_the_environment():
    found = read_settings({}, {"NOCES_OIDC_ISSUER": "https://login.example.org/", "NOCES_OIDC_AUDIENCE": "noces"})
    assert read_rules(found).issuer == "https://login.example.org/"
    assert read_rules(Settings()) is None
