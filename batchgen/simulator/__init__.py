"""An HTTP server that behaves, bills and fails like the service, so that everything can be tried without a key.

It is no part of the client: it imports nothing of the rest of batchgen, which connects to it over a socket.
"""
