"""An issuer that only publishes keys, to be run as a process of its own, killed and run again.

    python key_server.py folder port

It serves ``folder/jwks.json`` as it is at the moment, and the metadata that lead there. For each
request it adds a line, the path, to ``folder/requests``, before it answers.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

FOLDER, PORT = Path(sys.argv[1]), int(sys.argv[2])
ISSUER = f"http://127.0.0.1:{PORT}"


class KeyServer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with (FOLDER / "requests").open("a") as log:
            log.write(f"{self.path}\n")
        if self.path == "/jwks.json":
            self.answer((FOLDER / "jwks.json").read_bytes())
        elif self.path == "/.well-known/oauth-authorization-server":
            metadata = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks.json"}
            self.answer(json.dumps(metadata).encode())
        else:
            self.send_error(404)

    def answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


listening = ThreadingHTTPServer(("127.0.0.1", PORT), KeyServer)
print(f"Listening at: {ISSUER}", flush=True)
listening.serve_forever()
