"""A small HTTP client for the tests: keep-alive, exact bytes both ways, and raw sockets."""

import http.client
import json
import os
import socket
import urllib.parse

DEADLINE = float(os.environ.get("IT_DEADLINE", "10"))  # seconds, for any single wait


class Response:
    """An answer: status, headers as a list of pairs, body as bytes."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def header(self, name):
        """The value of a header that comes at most once, or None."""
        values = [v for k, v in self.headers if k.lower() == name.lower()]
        assert len(values) <= 1, f"{name} came {len(values)} times"
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)

    def fields(self):
        """The fields that a validation error names."""
        return sorted(e["field"] for e in self.json()["errors"])

    def __repr__(self):
        return f"<{self.status} {self.body[:800]!r}>"


class Client:
    """One connection, made again when the server closed it."""

    def __init__(self, host, port, timeout=DEADLINE, headers=None, source=None):
        self.host, self.port, self.timeout = host, port, timeout
        self.source = (source, 0) if source else None  # the address to connect from
        self.headers = headers or {}
        self.connection = None

    def request(self, method, path, body=None, headers=None, **query):
        """body: bytes or str go out as they are, anything else as JSON."""
        send = dict(self.headers)
        if body is not None:
            if not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            if isinstance(body, str):
                body = body.encode()
            send["Content-Type"] = "application/json"
        send.update(headers or {})
        send = {k: v for k, v in send.items() if v is not None}
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        if self.connection is None or self._stale():
            self.close()
            self.connection = http.client.HTTPConnection(
                self.host, self.port, self.timeout, source_address=self.source
            )
        try:
            self.connection.request(method, path, body, send)
            answer = self.connection.getresponse()
            return Response(answer.status, answer.getheaders(), answer.read())
        except http.client.HTTPException as error:
            self.close()
            raise ConnectionError(f"{method} {path}: {error!r}") from error
        except OSError:
            self.close()
            raise

    def _stale(self):
        """Whether the server has closed (or misused) the idle connection."""
        sock = self.connection.sock
        if sock is None:
            return True
        sock.setblocking(False)
        try:
            return sock.recv(1, socket.MSG_PEEK) is not None
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            sock.settimeout(self.timeout)

    def get(self, path, **query):
        return self.request("GET", path, **query)

    def post(self, path, body, headers=None):
        return self.request("POST", path, body, headers)

    def patch(self, path, body=None, headers=None):
        return self.request("PATCH", path, body, headers)

    def delete(self, path, headers=None):
        return self.request("DELETE", path, headers=headers)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def head(method, target, *headers):
    """The head of a request, as text for Raw.send()."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: localhost", *headers, "", ""])


class Raw:
    """A bare TCP connection, for HTTP that no client library would send."""

    def __init__(self, host, port, timeout=DEADLINE):
        self.socket = socket.create_connection((host, port), timeout)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        """Sends all that the peer takes: a peer that refuses may close before the end."""
        try:
            self.socket.sendall(data if isinstance(data, bytes) else data.encode())
        except (BrokenPipeError, ConnectionResetError):
            pass

    def read_response(self, no_body=False):
        """The next answer, or None when the connection was closed or reset instead."""
        try:
            line = self.file.readline()
            if not line:
                return None
            status = int(line.split()[1])
            headers = []
            while True:
                line = self.file.readline().rstrip(b"\r\n")
                if not line:
                    break
                name, _, value = line.decode("latin-1").partition(":")
                headers.append((name, value.strip()))
            lengths = [int(v) for k, v in headers if k.lower() == "content-length"]
            body = b"" if no_body or status in (204, 304) else self._body(headers, lengths)
            return Response(status, headers, body)
        except (ConnectionResetError, BrokenPipeError):
            return None

    def _body(self, headers, lengths):
        if lengths:
            return self.file.read(lengths[0])
        if ("transfer-encoding", "chunked") in [(k.lower(), v.lower()) for k, v in headers]:
            raise AssertionError("the tests expect answers with Content-Length")
        return self.file.read()

    def closed(self):
        """Whether the peer closes the connection without another byte (waits for it)."""
        try:
            return self.file.read(1) == b""
        except (ConnectionResetError, BrokenPipeError):
            return True
        except TimeoutError:
            return False

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
