"""JSON Web Tokens: whose they are, how they are signed, and what their claims become."""

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from search_api import settings
from search_api.access import jwts
from search_api.access.admission import Admission
from search_api.errors import CredentialsExpired, CredentialsRefused, CredentialsUnchecked
from streamer.errors import SettingsError
from tests.unit.search_api.access.shops import INDICES
from tests.unit.search_api.fakes import FakeClock

SHARED = "a shared secret of these tests, long enough for HS256"
PRIVATE, STRANGER = (rsa.generate_private_key(public_exponent=65_537, key_size=2_048) for _ in range(2))
PEM = PRIVATE.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
HS = {"audience": "search", "algorithms": ["HS256"], "secret": SHARED}


def rs(source):
    return {"audience": "search", "algorithms": ["RS256"], **source}


def claims(**said):
    return {"sub": "user-7", "aud": "search", "exp": time.time() + 60, "org": "a"} | said


def signed(key=SHARED, algorithm="HS256", headers=None, **said):
    found = {name: value for name, value in claims(**said).items() if value is not None}
    return jwt.encode(found, key, algorithm, headers=headers)


def checker(*issuers, clock=None):
    loaded = settings.load(indices=INDICES, access={"jwt": list(issuers)})
    return jwts.load(loaded.access, loaded.indices, clock or FakeClock())


def key_set(*keys):
    found = []
    for kid, key in keys:
        found.append(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig"})
    return {"keys": found}


@pytest.fixture
def pem(tmp_path):
    file = tmp_path / "key.pem"
    file.write_bytes(PEM)
    return file


async def refused(checks, token, error=CredentialsRefused):
    with pytest.raises(error):
        await checks.principal(token)


async def test_claims_become_filters():
    checks = checker(HS | {"claims": {"tenant": "org", "year": "/plan/years"}, "indices": ["goods"]})
    found = await checks.principal(signed(plan={"years": [2000, 2001]}))
    assert (found.name, found.indices, found.scopes) == ("jwt::user-7", {"goods"}, {"search"})
    assert [(one.field, one.any_of) for one in found.filters] == [("tenant", ["a"]), ("year", [2000, 2001])]


@pytest.mark.parametrize("org", [None, [], {}, True, [None], [["a"]], {"a": "b"}])
async def test_a_claim_that_is_no_value_lets_nobody_in(org):
    await refused(checker(HS | {"claims": {"tenant": "org"}}), signed(org=org))


async def test_fixed_filters_stand_beside_claims():
    fixed = [{"field": "year", "gte": 2000}]
    found = await checker(HS | {"claims": {"tenant": "org"}, "filters": fixed}).principal(signed())
    assert [one.field for one in found.filters] == ["year", "tenant"]


@pytest.mark.parametrize(
    "said",
    [
        {"exp": None},
        {"exp": "soon"},
        {"aud": None},
        {"aud": "another"},
        {"sub": None},
        {"nbf": time.time() + 3_600},
        {"iat": time.time() + 3_600},
    ],
)
async def test_what_a_token_must_say(said):
    await refused(checker(HS), signed(**said))


async def test_expired_tokens_are_told_so_only_when_they_were_right():
    old = claims()["exp"] - 3_600
    await refused(checker(HS), signed(exp=old), CredentialsExpired)
    await refused(checker(HS), signed(exp=old, key=SHARED[::-1]))
    await checker(HS).principal(signed(exp=time.time() - 20))


def unsigned(header, payload):
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=").decode() for one in (header, payload)
    )


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, "HS256", "HS384"])
async def test_no_signature_is_no_signature(algorithm, pem):
    for checks in (checker(HS), checker(rs({"public_key": pem}))):
        await refused(checks, unsigned({"alg": algorithm, "typ": "JWT"}, claims()) + ".")
        await refused(checks, unsigned({"alg": algorithm, "typ": "JWT"}, claims()) + ".AAAA")


async def test_a_public_key_is_no_shared_secret(pem):
    for header in ({"alg": "HS256"}, {"alg": "HS256", "kid": "one"}):
        text = unsigned(header, claims())
        for secret in (PEM, PEM.strip()):
            mac = hmac.digest(secret, text.encode(), hashlib.sha256)
            forged = f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
            await refused(checker(rs({"public_key": pem})), forged)


async def test_keys_that_a_token_brings_do_not_count(pem, tmp_path):
    file = tmp_path / "set.json"
    file.write_text(json.dumps(key_set(("one", PRIVATE))))
    own = jwt.algorithms.RSAAlgorithm.to_jwk(STRANGER.public_key(), as_dict=True)
    for headers in (
        {"jwk": own},
        {"jku": "https://evil.example/keys"},
        {"kid": "one"},
        {"x5u": "https://evil.example"},
    ):
        forged = signed(STRANGER, "RS256", headers=headers)
        for source in ({"public_key": pem}, {"jwks_file": file}):
            await refused(checker(rs(source)), forged)


async def test_public_keys(pem, tmp_path):
    await checker(rs({"public_key": pem})).principal(signed(PRIVATE, "RS256"))
    file = tmp_path / "set.json"
    file.write_text(json.dumps(key_set(("one", PRIVATE), ("two", STRANGER))))
    checks = checker(rs({"jwks_file": file}))
    await checks.principal(signed(PRIVATE, "RS256", headers={"kid": "one"}))
    await refused(checks, signed(PRIVATE, "RS256", headers={"kid": "two"}))
    await refused(checks, signed(PRIVATE, "RS256", headers={"kid": "three"}))
    await refused(checks, signed(PRIVATE, "RS256"))


async def test_several_issuers_are_told_apart(pem):
    checks = checker(HS | {"issuer": "one"}, rs({"issuer": "two", "public_key": pem}))
    assert (await checks.principal(signed(iss="one"))).name == "jwt:one:user-7"
    assert (await checks.principal(signed(PRIVATE, "RS256", iss="two"))).name == "jwt:two:user-7"
    await refused(checks, signed(iss="two"))
    await refused(checks, signed(PRIVATE, "RS256", iss="one"))
    for issuer in ("three", None):
        await refused(checks, signed(iss=issuer))


@pytest.mark.parametrize(
    "text",
    ["", "..", "a.b.c", "eyJ", "e30.e30.", ".".join("[" * 6_000 for _ in range(3)), f"e30.{'W1tb' * 3_000}.e30", "\0"],
)
async def test_what_is_no_token_is_refused(text):
    await refused(checker(HS), text)
    body = base64.urlsafe_b64encode(b"[" * 9_000).rstrip(b"=").decode()
    await refused(checker(HS), f"{signed().split('.')[0]}.{body}.AAAA")


class Address:
    """Where a set of keys is, for a while."""

    def __init__(self, *keys):
        self.keys, self.asked, self.status = keys, 0, 200

    async def __aenter__(self):
        app = web.Application()
        app.router.add_get("/keys", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/keys"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _answer(self, request):
        self.asked += 1
        return web.json_response(key_set(*self.keys), status=self.status)


async def test_a_set_at_an_address_is_kept_and_fetched_anew():
    clock = FakeClock()
    async with Address(("one", PRIVATE)) as address:
        checks = checker(rs({"jwks_url": address.url, "jwks_ttl_s": 300}), clock=clock)
        one, two = (signed(key, "RS256", headers={"kid": kid}) for key, kid in ((PRIVATE, "one"), (STRANGER, "two")))
        for _ in range(3):
            await checks.principal(one)
        assert address.asked == 1
        # Keys that nobody has do not let the address be asked each time.
        for _ in range(3):
            await refused(checks, two)
        assert address.asked == 1
        address.keys = (("two", STRANGER),)
        clock.now += 11
        await checks.principal(two)
        await refused(checks, one)
        assert address.asked == 2
        clock.now += 301
        address.status = 500
        await checks.principal(two)
        assert address.asked == 3


async def test_without_any_set_it_is_said_that_nothing_can_be_checked():
    clock = FakeClock()
    async with Address(("one", PRIVATE)) as address:
        address.status = 500
        checks = checker(rs({"jwks_url": address.url}), clock=clock)
        token = signed(PRIVATE, "RS256", headers={"kid": "one"})
        for _ in range(3):
            await refused(checks, token, CredentialsUnchecked)
        assert address.asked == 1
        address.status = 200
        clock.now += 11
        await checks.principal(token)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"secret": None}, "exactly one of"),
        ({"jwks_url": "https://a.example/"}, "exactly one of"),
        ({"secret": "short"}, "secret"),
        ({"algorithms": ["RS256"]}, "go with secret"),
        ({"algorithms": ["HS256", "RS256"]}, "go with secret"),
        ({"algorithms": ["none"]}, "algorithms"),
        ({"audience": None}, "audience"),
        ({"secret": None, "algorithms": ["RS256"], "jwks_url": "http://a.example/"}, "must be https"),
        ({"secret": None, "algorithms": ["HS256"], "jwks_url": "https://a.example/"}, "go with secret"),
        ({"secret": None, "algorithms": ["RS256"], "jwks_file": "/nowhere"}, "cannot be read"),
        ({"claims": {"owner": "org"}}, "index 'goods' declares no filter owner"),
        ({"indices": ["books"]}, "no index is called books"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(change, message):
    issuer = {name: value for name, value in (HS | change).items() if value is not None}
    with pytest.raises(SettingsError, match=message):
        Admission(settings.load(indices=INDICES, access={"jwt": [issuer]}), FakeClock())


def test_files_that_are_no_keys_are_refused(tmp_path):
    file = tmp_path / "keys"
    for content in ("", "{}", "[]", '{"keys": []}', '{"keys": [{}]}'):
        file.write_text(content)
        for source in ("public_key", "jwks_file"):
            with pytest.raises(SettingsError):
                Admission(settings.load(indices=INDICES, access={"jwt": [rs({source: file})]}), FakeClock())


def test_two_issuers_need_names():
    with pytest.raises(SettingsError, match="need an issuer each"):
        settings.load(indices=INDICES, access={"jwt": [HS, HS | {"issuer": "x"}]})
