"""A plan becomes outcomes: the pool, its lanes and limits, retries, money, and the order of writes."""
