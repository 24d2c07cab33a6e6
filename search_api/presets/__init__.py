"""Presets: searches that the operator writes once, under a name, and that clients ask for with checked parameters."""
