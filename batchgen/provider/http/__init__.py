"""The HTTP engines below httpx: every failure says whether the request was sent."""
