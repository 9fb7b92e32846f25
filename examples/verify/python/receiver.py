"""Receives webhooks and verifies them. Python 3.9 or newer, without further packages:

WEBHOOK_SECRET=whsec_… PORT=9000 python3 receiver.py
"""

import base64
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KEY = base64.b64decode(os.environ.get("WEBHOOK_SECRET", "").removeprefix("whsec_"))
BODY_BYTES_MAX = 1024 * 1024 + 2  # the largest snapshot, between [ and ]
TOLERANCE_SECONDS = 5 * 60


def verify(headers, body):
    """Raises ValueError unless the sender knows the secret and signed this body within the tolerance."""
    webhook_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if abs(int(time.time()) - int(timestamp)) > TOLERANCE_SECONDS:
        raise ValueError("the timestamp is too old or in the future")
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    expected = b"v1," + base64.b64encode(hmac.digest(KEY, signed, "sha256"))
    # There are several signatures while the secret is being rotated.
    signatures = headers.get("webhook-signature", "").encode().split(b" ")
    if not any(hmac.compare_digest(expected, signature) for signature in signatures):
        raise ValueError("no signature matches")


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        try:
            length = int(self.headers.get("content-length", ""))
            if not 0 <= length <= BODY_BYTES_MAX:
                raise ValueError("the body is too large")
            body = self.rfile.read(length)
            verify(self.headers, body)
            [item] = json.loads(body)
        except ValueError as error:
            # The sender tries again after 400. If the secret or the clock here was wrong, nothing is lost.
            self.send_error(400, explain=str(error))
            return
        # The id is the same in every repetition: remember it, and skip what you have seen.
        print(self.headers["webhook-id"], self.headers["webhook-event"], json.dumps(item), flush=True)
        self.send_response(200)
        self.end_headers()


if not KEY:
    raise SystemExit("set WEBHOOK_SECRET to the subscription's signing secret")
ThreadingHTTPServer(("", int(os.environ.get("PORT", "9000"))), Receiver).serve_forever()
