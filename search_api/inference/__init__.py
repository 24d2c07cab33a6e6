"""Query text becomes tokens: once for all who ask the same, within a budget, behind a breaker."""
