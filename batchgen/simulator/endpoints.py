"""The addresses of a running simulator."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The API without any path, and the host of the pictures; neither URL ends in a slash."""

    api_url: str
    pictures_url: str
