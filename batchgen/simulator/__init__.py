"""A real HTTP server that behaves, bills and fails like the service, so that everything can be tried without a key.

It is no part of the client: it imports nothing of the rest of batchgen, and the rest meets it over a socket.
"""
