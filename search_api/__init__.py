"""Serve semantic, lexical and hybrid queries over the live index to programs and people."""
