"""The services that requests are sent to: clients for HTTP, prices, keys and catalogues."""
