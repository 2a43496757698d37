"""A server on loopback that behaves as badly as it is told."""

import json
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def chat(text, **more):
    """A chat completion as OpenAI-compatible servers write it."""
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return json.dumps(
        {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": usage, **more}
    ).encode()


@contextmanager
def serving(behave):
    """`behave(handler, body, i)` answers the i-th request; yields the base URL and the list of `(headers, body)` so far."""
    seen, lock, stop = [], threading.Lock(), threading.Event()

    class Handler(BaseHTTPRequestHandler):
        stopping = stop

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                i = len(seen)
                seen.append((dict(self.headers), body))
            with suppress(OSError):  # the client has gone
                behave(self, body, i)

        def reply(self, content, status=200, **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", seen
    finally:
        stop.set()
        server.shutdown()
        thread.join()
        server.server_close()
