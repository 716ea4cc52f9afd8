"""Keys and tokens (JWT) as an issuer makes them; nothing here is shared with evhookd."""

import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

EVERYTHING = {"tenants": ["any"], "permissions": ["*.*"]}


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _json(value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


class Key:
    """A signing key and, in `file`, what --auth-key wants of it."""

    def __init__(self, alg, file, sign, public):
        self.alg, self.file, self._sign = alg, str(file), sign
        file.write_bytes(public)

    def token(self, header=None, raw_claims=None, **claims):
        """A token that is good for an hour, unless said otherwise; a claim of None is left out."""
        claims = {"exp": int(time.time()) + 3600, **claims}
        claims = {k: v for k, v in claims.items() if v is not None}
        head = _json(header if header is not None else {"alg": self.alg, "typ": "JWT"})
        text = base64url(head) + "." + base64url(_json(raw_claims or claims))
        return text + "." + base64url(self._sign(text.encode()))

    def all(self, **claims):
        """A token that may do everything."""
        return self.token(**{**EVERYTHING, **claims})


def hmac_key(file, secret):
    return Key("HS256", file, lambda m: hmac.new(secret, m, hashlib.sha256).digest(), secret)


def _pem(private):
    return private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def rsa_key(file):
    key = rsa.generate_private_key(65537, 2048)
    return Key(
        "RS256", file, lambda m: key.sign(m, padding.PKCS1v15(), hashes.SHA256()), _pem(key)
    )


def ec_key(file):
    key = ec.generate_private_key(ec.SECP256R1())

    def sign(message):
        r, s = utils.decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return Key("ES256", file, sign, _pem(key))


def ed25519_key(file):
    key = ed25519.Ed25519PrivateKey.generate()
    return Key("EdDSA", file, key.sign, _pem(key))


def bearer(token):
    return {"Authorization": f"Bearer {token}"}
