"""How far the index has come: what answers say of it, and searches that wait until a position is searchable."""
