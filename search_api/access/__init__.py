"""Who asks, what they may see, and how much: nothing reaches Elasticsearch but through here."""
