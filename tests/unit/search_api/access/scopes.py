"""What keys, tokens and requests may say, drawn at random, and what a caller sees then: an oracle of its own."""

from hypothesis import strategies as st

from tests.unit.search_api.access.shops import CORPUS, SIGNING_KEY, TENANTS, row

NAMES = ("goods", "parts")
YEARS = st.integers(1999, 2004)
CONDITIONS = st.one_of(
    st.fixed_dictionaries(
        {"field": st.just("tenant"), "any_of": st.lists(st.sampled_from((*TENANTS, "nobody")), min_size=1, max_size=3)}
    ),
    st.fixed_dictionaries({"field": st.just("year"), "gte": YEARS}, optional={"lt": YEARS}),
    st.fixed_dictionaries({"field": st.just("year"), "any_of": st.lists(YEARS, min_size=1, max_size=3)}),
    st.fixed_dictionaries({"field": st.just("color"), "exists": st.booleans()}),
    st.fixed_dictionaries({"field": st.just("color"), "prefix": st.sampled_from(("r", "re", "x"))}),
)
FILTERS = st.lists(
    CONDITIONS
    | st.builds(
        lambda name, members: {name: members},
        st.sampled_from(("all", "any", "none")),
        st.lists(CONDITIONS, min_size=1, max_size=2),
    ),
    max_size=2,
)
SOME_INDICES = st.none() | st.lists(st.sampled_from(NAMES), unique=True, max_size=2)
KEYS = st.fixed_dictionaries({"filters": FILTERS, "indices": SOME_INDICES})
TOKENS = st.none() | st.fixed_dictionaries(
    {"filters": FILTERS},
    optional={"indices": st.lists(st.sampled_from((*NAMES, "secret")), max_size=3), "scopes": st.just(["search"])},
)
REQUESTS = st.fixed_dictionaries(
    {"filters": FILTERS, "mode": st.sampled_from(("semantic", "lexical", "hybrid"))},
    optional={"index": st.sampled_from((*NAMES, "secret"))},
)


def holds(said, document):
    """Say what a filter means, in words of its own: the service has no part in it."""
    for group, together in (("all", all), ("any", any)):
        if group in said:
            return together(holds(one, document) for one in said[group])
    if "none" in said:
        return not any(holds(one, document) for one in said["none"])
    have = document.get(said["field"], [])
    have = have if isinstance(have, list) else [have]
    if "exists" in said:
        return bool(have) == said["exists"]
    if "prefix" in said:
        return any(one[: len(said["prefix"])] == said["prefix"] for one in have)
    if "any_of" in said:
        return any(one in said["any_of"] for one in have)
    return any(said["gte"] <= one < said.get("lt", 9_999) for one in have)


def visible(name, *sources):
    said = [one for source in sources for one in source["filters"]]
    return {id_ for id_, document in CORPUS[f"{name}-alias"].items() if all(holds(one, document) for one in said)}


def allowed(key, derived):
    names = NAMES if key["indices"] is None else key["indices"]
    return [name for name in NAMES if name in names and name in (derived or {}).get("indices", NAMES)]


def as_row(key):
    """Return a drawn key as it stands in the settings."""
    made = row(filters=key["filters"], indices=key["indices"], signing_key=SIGNING_KEY)
    return {name: value for name, value in made.items() if value is not None}
