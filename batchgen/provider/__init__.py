"""Turns a request into a generation: the services we buy from."""
