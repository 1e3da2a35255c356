"""What outlives the process: the run folder and its lock, the ledger, the pictures."""
