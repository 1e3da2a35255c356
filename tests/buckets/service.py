"""A bucket service on a real socket: moto's server, which can be told to fail."""

import threading
import time
from collections import Counter

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "mugs-bucket"
ADDRESS = f"s3://{BUCKET}/run/one"


def refusal(status, code, message):
    return status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"


BUSY = refusal("503 Service Unavailable", "SlowDown", "Please reduce your request rate.")
DENIED = refusal("403 Forbidden", "AccessDenied", "Access Denied")
SKEWED = refusal("403 Forbidden", "RequestTimeTooSkewed", "The difference between the times is too large.")
ELSEWHERE = refusal("400 Bad Request", "AuthorizationHeaderMalformed", "the region 'us-east-1' is wrong")
UNKNOWN_KEY = refusal("403 Forbidden", "InvalidAccessKeyId", "The AWS Access Key Id does not exist in our records.")
NO_BUCKET = refusal("404 Not Found", "NoSuchBucket", "The specified bucket does not exist")


class BucketService:
    """The service; ``answers`` gives the answer to a call instead of the service, if it returns one."""

    def __init__(self):
        self._service = DomainDispatcherApplication(create_backend_app)
        self.answers = None
        self.calls = Counter()
        self.delay_s = 0.0
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Silent)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def environment(self):
        return {
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
        }

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def fail(self, answer, *, calls=("PUT",), within="pictures/"):
        """Every such call below a path gets this answer from now on; ``None`` ends that."""
        if answer is None:
            self.answers = None
            return
        self.answers = lambda method, path: answer if method in calls and within in path else None

    def _answer(self, environ, start_response):
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.calls[method] += 1
        time.sleep(self.delay_s)
        answer = self.answers(method, path) if self.answers else None
        if answer is None:
            return self._service(environ, start_response)
        status, body = answer
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body.encode()]


class _Silent(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *args, **kwargs):
        pass
