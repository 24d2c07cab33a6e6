"""The format of tokens, as the documentation tells it to other languages."""

import base64
import hashlib
import hmac

from search_api.access import tokens
from search_api.access.principal import Principal
from search_api.query.filters import Condition
from tests.unit.search_api.access.shops import SIGNING_KEY


def test_a_token_made_by_the_words_of_the_documentation():
    payload = base64.urlsafe_b64encode(b'{"exp": 1800000000, "indices": ["goods"]}').rstrip(b"=").decode()
    mac = hmac.new(SIGNING_KEY.encode(), f"st1.shop.{payload}".encode(), hashlib.sha256).digest()
    text = f"st1.shop.{payload}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    token = tokens.parse(text)
    assert tokens.is_signed(token, SIGNING_KEY.encode())
    assert tokens.claims(token) == tokens.Claims(exp=1_800_000_000, indices=["goods"])


def test_a_known_token_as_openssl_makes_it():
    said = {"exp": 1_800_000_000, "filters": [{"field": "tenant", "any_of": ["a"]}]}
    assert tokens.derive("shop", "0123456789abcdef0123456789abcdef", said) == (
        "st1.shop.eyJleHAiOjE4MDAwMDAwMDAsImZpbHRlcnMiOlt7ImZpZWxkIjoidGVuYW50IiwiYW55X29mIjpbImEiXX1dfQ.P1HbAMrefiggKrsa_rmOEkchOAif8YKjAshdkBJyrPg"
    )


def narrowed(key, **said):
    token = tokens.parse(tokens.derive("shop", SIGNING_KEY, {"exp": 1, **said}))
    return tokens.narrowed(key, tokens.claims(token), token)


def test_a_token_never_has_more_than_its_key():
    own = Condition(field="tenant", any_of=["a"])
    key = Principal("shop", frozenset({"search", "standing"}), frozenset({"goods"}), (own,), account="shop")
    one = narrowed(
        key,
        scopes=["search", "admin"],
        indices=["goods", "parts"],
        filters=[{"field": "tenant", "any_of": ["b"]}],
    )
    assert one.scopes == {"search"}
    assert one.indices == {"goods"}
    assert [two.any_of for two in one.filters] == [["a"], ["b"]]
    assert one.account == "shop"


def test_a_token_searches_and_does_no_more_unless_it_says_so():
    key = Principal("shop", frozenset({"search", "standing", "admin"}))
    assert narrowed(key).scopes == {"search"}
    assert narrowed(key, scopes=["admin"]).scopes == {"admin"}


def test_a_token_of_all_indices_may_name_some():
    assert narrowed(Principal("shop"), indices=["goods"]).indices == {"goods"}
    assert narrowed(Principal("shop"), indices=[]).indices == frozenset()
    assert narrowed(Principal("shop")).indices is None


def test_tokens_are_callers_of_their_own():
    key = Principal("shop")
    labelled = [narrowed(key, id="user-7"), narrowed(key, id="user-7", indices=["goods"]), narrowed(key, id="user-8")]
    assert [one.name for one in labelled] == ["shop/user-7", "shop/user-7", "shop/user-8"]
    assert narrowed(key, indices=["goods"]).name != narrowed(key, indices=["parts"]).name
