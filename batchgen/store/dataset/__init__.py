"""metadata.jsonl, the dataset card, and how a lost ledger is rebuilt from them."""
