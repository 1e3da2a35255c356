"""The two applications: the API, and the host of the pictures."""

from starlette.applications import Starlette
from starlette.routing import Route

from batchgen.simulator.dialects import Dialect, ImageRouterDialect, OpenAIDialect
from batchgen.simulator.downloads import DownloadsEndpoint
from batchgen.simulator.generations import GenerationsEndpoint
from batchgen.simulator.pages import Pages
from batchgen.simulator.service import SimulatedService

# The same handler behind both paths of a base URL, as on the real services.
_DIALECTS: dict[str, type[Dialect]] = {"/v1/openai": ImageRouterDialect, "/v1": OpenAIDialect}


def api(service: SimulatedService) -> Starlette:
    """Return the API: ``/v1/openai`` in ImageRouter's dialect, ``/v1`` in OpenAI's, which makes no videos."""
    images = [
        Route(f"{base}/images/{kind}", GenerationsEndpoint(service, dialect()), methods=["POST"])
        for base, dialect in _DIALECTS.items()
        for kind in ("generations", "edits")
    ]
    videos = Route(
        "/v1/openai/videos/generations", GenerationsEndpoint(service, ImageRouterDialect(), "video"), methods=["POST"]
    )
    # What a relative address may be joined with: the API, its base URL, or the address of the request.
    hosted = [
        Route(f"{base}/pictures/{{name}}", DownloadsEndpoint(service), methods=["GET"])
        for base in ("", "/v1", "/v1/images", "/v1/openai", "/v1/openai/images")
    ]
    return Starlette(routes=[*images, videos, *hosted, *Pages(service).routes()])


def pictures(service: SimulatedService) -> Starlette:
    """Return the host of the pictures, without authentication."""
    return Starlette(routes=[Route("/{name:path}", DownloadsEndpoint(service), methods=["GET"])])
