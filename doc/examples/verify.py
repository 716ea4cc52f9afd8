"""usage: WEBHOOK_SECRET=... python3 verify.py ID TIMESTAMP SIGNATURE <body"""

import base64
import hashlib
import hmac
import os
import sys
import time

TOLERANCE = 300  # seconds


def verify(secret, msg_id, timestamp, signatures, body):
    """Whether a request is from evhookd; body is its bytes, as they came."""
    if not timestamp.isascii() or not timestamp.isdigit():
        return False
    if abs(time.time() - int(timestamp)) > TOLERANCE:
        return False
    if secret.startswith("whsec_"):
        key = base64.b64decode(secret[len("whsec_") :])
    else:
        key = secret.encode()
    signed = f"{msg_id}.{timestamp}.".encode() + body
    wanted = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # While a secret is being changed there are two signatures, with a space between them.
    good = False
    for given in signatures.split(" "):
        good |= hmac.compare_digest(wanted, given.encode())
    return good


if __name__ == "__main__":
    good = verify(os.environ["WEBHOOK_SECRET"], *sys.argv[1:4], sys.stdin.buffer.read())
    print("good" if good else "bad")
    sys.exit(not good)
