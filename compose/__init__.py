"""The stack around the two programs: with containers (compose.yaml) and without (local)."""
