#!/usr/bin/env python3
"""A webhook receiver to try things with: prints each request and checks its signature.

usage: [WEBHOOK_SECRET=whsec_...] receiver.py [PORT]

The signature is that of https://www.standardwebhooks.com: HMAC-SHA256, with the secret's key, of
webhook-id, webhook-timestamp and the body's bytes as they came, joined by dots.
"""

import base64
import hashlib
import hmac
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 300  # seconds: older requests may be replays


def key_of(secret):
    """The HMAC key: base64 behind whsec_, else the secret's own bytes."""
    if secret.startswith("whsec_"):
        return base64.b64decode(secret[len("whsec_") :], validate=True)
    return secret.encode()


def judge(secret, headers, body):
    """What is to be said of a request's signature."""
    given = headers.get("webhook-signature")
    if not given:
        return "none"
    if not secret:
        return "not checked: set WEBHOOK_SECRET"
    sent = headers.get("webhook-timestamp", "")
    signed = b".".join([headers.get("webhook-id", "").encode(), sent.encode(), body])
    digest = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    wanted = "v1," + base64.b64encode(digest).decode()
    # Two stand there, with a space between them, for a while after the secret was changed.
    if not any(hmac.compare_digest(wanted, one) for one in given.split(" ")):
        return "WRONG"
    if abs(time.time() - int(sent)) > TOLERANCE:
        return "good, but too old"
    return "good"


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # so that the connection stays open for the next one

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        lines = [f"{self.command} {self.path}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += ["", body.decode(errors="replace"), ""]
        lines += ["signature " + judge(os.environ.get("WEBHOOK_SECRET"), self.headers, body)]
        print("\n".join(lines), end="\n\n", flush=True)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 9999
    server = ThreadingHTTPServer(("127.0.0.1", port), Receiver)
    print(f"listening on http://127.0.0.1:{port}/", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
