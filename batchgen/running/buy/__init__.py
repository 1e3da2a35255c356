"""One request: bought, retried, published, and recovered after a kill."""
