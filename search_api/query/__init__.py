"""What may be asked, and the Elasticsearch body that asks it.

`request` is the whole of a search. Each part of it has a module with the part's model, what can be wrong with one, and
what becomes of it: `modes` (by meaning, by words, both), `filters`, `facets`, `presentation` (order, highlights).
`check` gathers what is wrong, `builder` makes the body. All of it is pure.
"""
