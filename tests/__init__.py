"""The rings of tests; `tests/README.md` says what each needs and may cost."""
