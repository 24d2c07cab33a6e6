"""Normalised discounted cumulative gain, the metric of the relevance ring.

Source: Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002, with the
exponential gain 2^grade - 1 of Burges et al., "Learning to rank using gradient descent", ICML 2005.
With grades 0 and 1 it is the same as trec_eval's `ndcg_cut`, whose gain is the grade itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import log2
from statistics import fmean


def gain(grade: int) -> float:
    """Return 2^grade - 1; a grade below zero gains nothing."""
    return 2.0 ** max(grade, 0) - 1.0


def dcg(grades: Iterable[int], depth: int) -> float:
    """Sum the gains of the first `depth` grades, each over log2(rank + 1), ranks from 1."""
    return sum(gain(grade) / log2(rank + 1) for rank, grade in enumerate(grades, 1) if rank <= depth)


def ndcg(ranking: Sequence[str], judged: Mapping[str, int], depth: int = 10) -> float:
    """Return the DCG of a ranking over the best that was possible, between 0 and 1.

    `ranking` holds document ids, best first; `judged` maps ids to grades, an unjudged id counts 0.
    The best possible ranking is drawn from all of `judged`, not only from what was found.
    Raises ValueError where the figure means nothing: an id twice in the ranking, or no relevant document at all.
    """
    if len(set(ranking)) != len(ranking):
        raise ValueError("a document stands twice in the ranking")
    ideal = dcg(sorted(judged.values(), reverse=True), depth)
    if not ideal:
        raise ValueError("no judged document is relevant")
    return dcg((judged.get(document, 0) for document in ranking), depth) / ideal


def mean_ndcg(
    rankings: Mapping[str, Sequence[str]], judgments: Mapping[str, Mapping[str, int]], depth: int = 10
) -> float:
    """Average over the judged queries; a query that was not answered counts 0."""
    return fmean(ndcg(rankings.get(query, ()), judged, depth) for query, judged in judgments.items())
