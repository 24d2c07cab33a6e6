"""A small Elasticsearch behind the search service's door: it finds by shared words, and fails when told to."""

import asyncio

from search_api.app import Parts, create_app, create_meter
from search_api.settings import Settings
from streamer.errors import ElasticRefused

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
    return {*words_in_order(text)}


class FakeDoor:
    def __init__(self, films=FILMS):
        self.films = films
        self.searches, self.inferences = [], []
        self.search_error = self.infer_error = None
        self.closed = False
        self.points = {}

    async def open_point(self, alias, keep_alive_s):
        point = f"{alias}-000001:{len(self.points)}"
        self.points[point] = dict(self.films)
        return point

    async def close_point(self, point):
        del self.points[point]

    async def search(self, question, within_s=None):
        body = question.body
        self.searches.append((question.alias, body))
        if self.search_error:
            raise self.search_error
        films = self.films if "pit" not in body else self._at(body["pit"]["id"])
        scored = [(score_of({"_id": id_, **film}, body.get("query", {})), id_, film) for id_, film in films.items()]
        best = sorted((item for item in scored if item[0]), key=lambda item: (-item[0], item[1]))
        hits = [hit_of(*item, place, body) for place, item in enumerate(best)]
        rest = hits[body["search_after"][1] + 1 :] if "search_after" in body else hits
        found = {"timed_out": False, "_shards": {"failed": 0}, "hits": {"hits": rest[: body["size"]]}}
        return found | ({"pit_id": body["pit"]["id"]} if "pit" in body else {})

    def _at(self, point):
        if point not in self.points:
            raise ElasticRefused(404, "search_context_missing_exception", "No search context found for id [1]")
        return self.points[point]

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


def hit_of(score, id_, film, place, body):
    hit = {"_id": id_, "_score": score, "_source": {**film, **INTERNALS}, "sort": [score, place]}
    hit |= {"matched_queries": list(names_of(body["query"]))}
    if "text_embedding" in body.get("fields", ()):
        hit["fields"] = {"text_embedding": [dict.fromkeys(words(film["text"]), 1.0)]}
    return hit


def names_of(query):
    for part in query.get("bool", {}).get("should", ()):
        if "_name" in part.get("bool", {}):
            yield part["bool"]["_name"]
    for part in query.get("bool", {}).get("must", ()):
        yield from names_of(part)


def score_of(film, query):
    if not query:
        return 0.0
    if "ids" in query:
        return float(passes(film, query))
    clauses = query.get("bool")
    if clauses is None:
        return score_of_part(film, query)
    narrowed = all(passes(film, clause) for clause in clauses.get("filter", ()))
    if not narrowed or any(score_of(film, part) for part in clauses.get("must_not", ())):
        return 0.0
    if "must" in clauses:
        return sum(score_of(film, part) for part in clauses["must"])
    return sum(score_of(film, part) for part in clauses.get("should", ()))


def score_of_part(film, part):
    if "sparse_vector" in part:
        asked = set(part["sparse_vector"]["query_vector"])
        return part["sparse_vector"]["boost"] * len(asked & words(film["text"]))
    if part["multi_match"].get("type") == "bool_prefix":
        *whole, last = words_in_order(part["multi_match"]["query"])
        have = words(film[part["multi_match"]["fields"][0]])
        return float({*whole} <= have and any(word.startswith(last) for word in have))
    return part["multi_match"]["boost"] * len(
        words(part["multi_match"]["query"]) & words(f"{film['title']} {film['text']}")
    )


def words_in_order(text):
    return [word.strip(".,").lower() for word in text.split()]


def passes(film, clause):
    if "ids" in clause:
        return film["_id"] in clause["ids"]["values"]
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
