"""Two indices of goods of several tenants behind a door that reads queries as Elasticsearch does."""

from search_api.access import keys, tokens
from search_api.app import Parts, create_app, create_meter
from search_api.settings import Settings
from tests.unit.search_api.fakes import FakeClock, FakeDoor

TENANTS = ("a", "b", "c")
SIGNING_KEY = "the signing key of these tests, long enough"
SECRETS = {name: keys.make_secret() for name in ("shop", "other", "admin")}


def index(name):
    return {
        "name": name,
        "alias": f"{name}-alias",
        "inference_endpoint": "for_search",
        "lexical_fields": {"text": 1},
        "suggest_fields": ["name"],
        "filters": {"tenant": "keyword", "year": "integer", "color": {"kind": "keyword", "field": "color.keyword"}},
    }


INDICES = [index("goods"), index("parts")]


def document(alias, number):
    goods = {"tenant": [TENANTS[number % 3]], "year": 2000 + number % 4, "text": "thing", "place": alias}
    if number % 5 == 0:
        goods["tenant"] = [TENANTS[number % 3], TENANTS[(number + 1) % 3]]
    return goods | ({"color": ["red"]} if number % 2 else {})


CORPUS = {
    f"{name}-alias": {f"{name}-{number}": document(name, number) for number in range(24)} for name in ("goods", "parts")
}


TOLD = {"fields": {"text_embedding": [{"thing": 1.0}]}, "matched_queries": ["name"]}


class ShopDoor(FakeDoor):
    """Finds what a query finds, by the meaning of each clause."""

    async def search(self, question, within_s=None):
        self.searches.append((question.alias, question.body))
        body = question.body
        found = [
            {"_id": id_, "_score": 1.0, "_source": document | {"name": id_}, "sort": [place]} | TOLD
            for place, (id_, document) in enumerate(CORPUS[question.alias].items(), start=1)
            if asks_for(body, document | {"_id": id_}) and place > body.get("search_after", [0])[0]
        ]
        hits = found[body.get("from", 0) :][: body["size"]]
        return {"timed_out": False, "_shards": {"failed": 0}, "hits": {"hits": hits}}


def asks_for(body, document):
    if "retriever" in body:
        ((kind, part),) = body["retriever"].items()
        parts = [body | {"retriever": one} for one in part["retrievers"]] if kind == "rrf" else [part]
        return any(asks_for(one, document) for one in parts)
    return "query" not in body or matches(body["query"], document)


def matches(query, document):
    ((kind, clause),) = query.items()
    return CLAUSES[kind](clause, document)


def values(field, document):
    have = document.get(field.removesuffix(".keyword"), [])
    return have if isinstance(have, list) else [have]


def of_bool(clause, document):
    musts = [*clause.get("must", ()), *clause.get("filter", ())]
    if not all(matches(one, document) for one in musts):
        return False
    if any(matches(one, document) for one in clause.get("must_not", ())):
        return False
    shoulds = [matches(one, document) for one in clause.get("should", ())]
    return sum(shoulds) >= clause.get("minimum_should_match", 1 if shoulds and not musts else 0)


def of_range(clause, document):
    ((field, bounds),) = clause.items()
    checks = {"gte": int.__ge__, "gt": int.__gt__, "lte": int.__le__, "lt": int.__lt__}
    return any(all(checks[name](have, bound) for name, bound in bounds.items()) for have in values(field, document))


def of_terms(clause, document):
    ((field, wanted),) = clause.items()
    return bool({*wanted} & {*values(field, document)})


def of_prefix(clause, document):
    ((field, said),) = clause.items()
    return any(have.startswith(said["value"]) for have in values(field, document))


def of_exists(clause, document):
    return bool(values(clause["field"], document))


def of_ids(clause, document):
    return document["_id"] in clause["values"]


def of_text(clause, document):
    return True


CLAUSES = {
    "bool": of_bool,
    "range": of_range,
    "terms": of_terms,
    "prefix": of_prefix,
    "exists": of_exists,
    "ids": of_ids,
    "match_phrase_prefix": of_text,
    "multi_match": of_text,
    "sparse_vector": of_text,
}


def row(name="shop", **changes):
    """Return a key as it stands in the settings."""
    return {"name": name, "hash": keys.hash_of(SECRETS[name]), **changes}


def text(name="shop"):
    """Return the same key as its client sends it."""
    return keys.text_of(name, SECRETS[name])


def token(name="shop", signing_key=SIGNING_KEY, exp=10_000, **said):
    return tokens.derive(name, signing_key, {"exp": exp, **said})


def bearer(credentials):
    return {"authorization": f"Bearer {credentials}"}


def application(*rows, clock=None, door=None, hosts=None, http=None, **access):
    settings = Settings(indices=INDICES, access={"keys": list(rows), **access}, http=http or {})
    return create_app(Parts(settings, door or ShopDoor(), clock or FakeClock(), create_meter()), hosts)
