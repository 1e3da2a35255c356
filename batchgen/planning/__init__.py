"""A manifest becomes a plan: every request, its picture's name, and its price."""
