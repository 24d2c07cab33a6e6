"""From a Kafka record to a write: decode, identity, version, and the ledger of what is outstanding."""
