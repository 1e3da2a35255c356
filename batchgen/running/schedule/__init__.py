"""Which request is sent next: lanes, their limits, and what stops them."""
