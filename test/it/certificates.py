"""Certificates for the HTTPS receivers: an authority, good ones, and every kind of bad one."""

import datetime
import ipaddress
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


class Certificates:
    """Files in a directory: ca.pem, and <kind>.pem with certificate and key for each kind."""

    KINDS = ("good", "wrong-host", "cn-only", "expired", "not-yet", "self-signed", "other-ca")

    def __init__(self, directory):
        self.directory = directory
        now = datetime.datetime.now(datetime.timezone.utc)
        ca_key, ca = self._make("Test authority", None, None, now - DAY, now + DAY, ca=True)
        other_key, other = self._make(
            "Another authority", None, None, now - DAY, now + DAY, ca=True
        )
        self.ca_file = str(directory / "ca.pem")
        (directory / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
        here = ["localhost", "hooks.example.test", "127.0.0.1", "::1"]
        valid = (now - DAY, now + DAY)
        self._save("good", *self._make("good", here, (ca_key, ca), *valid))
        self._save("wrong-host", *self._make("wrong", ["example.com"], (ca_key, ca), *valid))
        self._save("cn-only", *self._make("localhost", ["127.0.0.9"], (ca_key, ca), *valid))
        self._save("expired", *self._make("old", here, (ca_key, ca), now - 3 * DAY, now - DAY))
        self._save("not-yet", *self._make("new", here, (ca_key, ca), now + DAY, now + 3 * DAY))
        self._save("self-signed", *self._make("self", here, None, *valid))
        self._save("other-ca", *self._make("other", here, (other_key, other), *valid))

    def server(self, kind="good", maximum=None):
        """A new server context with that certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if maximum:
            context.maximum_version = maximum
        context.load_cert_chain(self.directory / f"{kind}.pem")
        return context

    @staticmethod
    def _make(name, hosts, issuer, begin, end, ca=False):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer_key, issuer_name = (issuer[0], issuer[1].subject) if issuer else (key, subject)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            # newer Pythons ask for both, and for an authority's usage (RFC 5280, 4.2.1)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False
            )
        )
        if ca:
            usage = dict.fromkeys(USAGES, False)
            usage.update(key_cert_sign=True, crl_sign=True)
            builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
        if hosts:
            names = []
            for host in hosts:
                try:
                    names.append(x509.IPAddress(ipaddress.ip_address(host)))
                except ValueError:
                    names.append(x509.DNSName(host))
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return key, builder.sign(issuer_key, hashes.SHA256())

    def _save(self, kind, key, certificate):
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        pem += key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (self.directory / f"{kind}.pem").write_bytes(pem)
