"""The two applications: the API, and the host that hands out pictures."""

from starlette.applications import Starlette
from starlette.routing import Route

from batchgen.simulator.dialects import Dialect, ImageRouter, OpenAI
from batchgen.simulator.downloads import DownloadsEndpoint
from batchgen.simulator.generations import GenerationsEndpoint
from batchgen.simulator.pages import Pages
from batchgen.simulator.service import Service

# The same handler behind both paths of a base URL, as on the real services.
_DIALECTS: dict[str, type[Dialect]] = {"/v1/openai": ImageRouter, "/v1": OpenAI}


def api(service: Service) -> Starlette:
    """``/v1/openai`` speaks ImageRouter's dialect and ``/v1`` OpenAI's; only the first one makes videos."""
    images = [
        Route(f"{base}/images/{kind}", GenerationsEndpoint(service, dialect()), methods=["POST"])
        for base, dialect in _DIALECTS.items()
        for kind in ("generations", "edits")
    ]
    videos = Route(
        "/v1/openai/videos/generations", GenerationsEndpoint(service, ImageRouter(), "video"), methods=["POST"]
    )
    return Starlette(routes=[*images, videos, *Pages(service).routes()])


def pictures(service: Service) -> Starlette:
    return Starlette(routes=[Route("/{name}", DownloadsEndpoint(service), methods=["GET"])])
