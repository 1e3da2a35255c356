"""A manifest becomes a plan: every request it asks for, what it will be called, and what it may cost."""
