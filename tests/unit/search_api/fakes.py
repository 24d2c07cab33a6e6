"""A small Elasticsearch behind the search service's door: it finds by shared words, and fails when told to."""

import asyncio

from search_api.app import Parts, create_app, create_meter
from search_api.settings import Settings

FILMS = {
    "1": {
        "title": "Heat",
        "text": "A crew of bank robbers plans one last heist while a detective closes in.",
        "year": 1995,
        "genres": ["Crime", "Drama"],
        "director": "Michael Mann",
        "rating": 7.9,
    },
    "2": {
        "title": "Ocean's Eleven",
        "text": "Eleven accomplices plan a heist of three casinos in one night.",
        "year": 2001,
        "genres": ["Crime", "Thriller"],
        "director": "Steven Soderbergh",
        "rating": 7.4,
    },
    "3": {
        "title": 'The <b>Bold</b> & the "Quoted"',
        "text": "<script>window.broken = true</script> A heist of markup.",
        "year": 2010,
        "genres": ["Comedy"],
        "director": "<img src=x onerror='window.broken = true'>",
        "rating": 5.1,
    },
}
INTERNALS = {
    "text_embedding": {"heist": 1.5},
    "model_id": "for_ingest",
    "is_truncated": False,
    "_streamer": {"topic": "films", "offset": 1},
}
INDEX = {
    "name": "films",
    "alias": "films-alias",
    "inference_endpoint": "for_search",
    "lexical_fields": {"title": 1, "text": 1},
    "filters": {
        "genres": "keyword",
        "year": "integer",
        "rating": "number",
        "director": {"kind": "keyword", "field": "director.keyword"},
    },
    "display": {
        "title": "title",
        "text": "text",
        "details": ["year", "genres", "director", "rating"],
        "attribution": "Plots: written for these tests",
    },
}


def settings(**changes):
    return Settings(**{"indices": [INDEX], **changes})


def words(text):
    return {word.strip(".,").lower() for word in text.split()}


class FakeDoor:
    def __init__(self, films=FILMS):
        self.films = films
        self.searches, self.inferences = [], []
        self.search_error = self.infer_error = None
        self.closed = False

    async def search(self, question, within_s=None):
        body = question.body
        self.searches.append((question.alias, body))
        if self.search_error:
            raise self.search_error
        scored = [(score_of(film, body.get("query", {})), id_, film) for id_, film in self.films.items()]
        best = sorted((item for item in scored if item[0]), key=lambda item: (-item[0], item[1]))
        hits = [{"_id": id_, "_score": score, "_source": {**film, **INTERNALS}} for score, id_, film in best]
        return {"timed_out": False, "_shards": {"failed": 0}, "hits": {"hits": hits[: body["size"]]}}

    async def infer(self, endpoint, text):
        self.inferences.append((endpoint, text))
        await asyncio.sleep(0)
        if self.infer_error:
            raise self.infer_error
        return dict.fromkeys(sorted(words(text)), 1.0)

    async def model(self, endpoint):
        return f"model of {endpoint}"

    async def close(self):
        self.closed = True


def score_of(film, query):
    clauses = query.get("bool", {})
    if not all(passes(film, clause) for clause in clauses.get("filter", ())):
        return 0.0
    if "must" in clauses:
        return sum(score_of(film, part) for part in clauses["must"])
    return sum(score_of_part(film, part) for part in clauses.get("should", ()))


def score_of_part(film, part):
    if "sparse_vector" in part:
        asked = set(part["sparse_vector"]["query_vector"])
        return part["sparse_vector"]["boost"] * len(asked & words(film["text"]))
    return part["multi_match"]["boost"] * len(
        words(part["multi_match"]["query"]) & words(f"{film['title']} {film['text']}")
    )


def passes(film, clause):
    if "terms" in clause:
        ((name, wanted),) = clause["terms"].items()
        field = name.removesuffix(".keyword")
        have = film[field] if isinstance(film[field], list) else [film[field]]
        return bool(set(have) & set(wanted))
    ((field, bounds),) = clause["range"].items()
    return bounds.get("gte", film[field]) <= film[field] <= bounds.get("lte", film[field])


class FakeClock:
    def __init__(self):
        self.now = 1_000.0

    def monotonic(self):
        return self.now

    def now_ms(self):
        return int(self.now * 1000)

    async def sleep(self, seconds):
        self.now += seconds


def parts(door=None, clock=None, **changes):
    return Parts(settings(**changes), door or FakeDoor(), clock or FakeClock(), create_meter())


def app(door=None, clock=None, **changes):
    return create_app(parts(door, clock, **changes))
