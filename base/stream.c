/* A non-blocking socket, perhaps under TLS: one way to ask both, one way to hear of failures. */
#include "base/stream.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/socket.h>
#include <unistd.h>

static ssize_t
stream_failed(struct stream *stream)
{
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	stream->error = errno;
	return -1;
}

/* OpenSSL has a queue of errors, and takes an old one for that of the next call. */
static ssize_t
stream_tls_failed(struct stream *stream, int rc)
{
	int why = SSL_get_error(stream->ssl, rc);

	stream->wants_write = why == SSL_ERROR_WANT_WRITE;
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return 0;
	stream->error = why == SSL_ERROR_SYSCALL ? errno : 0;
	stream->tls_error = why == SSL_ERROR_SSL ? ERR_peek_last_error() : 0;
	ERR_clear_error();
	return -1;
}

ssize_t
stream_read(struct stream *stream, void *p, size_t n)
{
	size_t done = 0;
	ssize_t got;
	int rc;

	if (stream->ssl == NULL) {
		got = recv(stream->fd, p, n, 0);
		if (got > 0)
			return got;
		stream->error = 0;
		return got == 0 ? -1 : stream_failed(stream);
	}
	stream->wants_write = false;
	ERR_clear_error();
	rc = SSL_read_ex(stream->ssl, p, n, &done);
	return rc == 1 ? (ssize_t)done : stream_tls_failed(stream, rc);
}

static ssize_t
stream_write_tls(struct stream *stream, const struct iovec *piece)
{
	size_t done = 0;
	int rc;

	stream->wants_write = false;
	ERR_clear_error();
	rc = SSL_write_ex(stream->ssl, piece->iov_base, piece->iov_len, &done);
	return rc == 1 ? (ssize_t)done : stream_tls_failed(stream, rc);
}

ssize_t
stream_write(struct stream *stream, const struct iovec *pieces, size_t n)
{
	struct iovec iov[2];
	struct msghdr msg = {.msg_iov = iov};
	ssize_t done;

	for (size_t i = 0; i < n; i++) {
		if (pieces[i].iov_len > 0)
			iov[msg.msg_iovlen++] = pieces[i];
	}
	if (msg.msg_iovlen == 0)
		return 0;
	if (stream->ssl != NULL)
		return stream_write_tls(stream, &iov[0]);
	done = sendmsg(stream->fd, &msg, MSG_NOSIGNAL);
	return done >= 0 ? done : stream_failed(stream);
}

int
stream_shake_hands(struct stream *stream)
{
	int rc;

	stream->wants_write = false;
	ERR_clear_error();
	rc = SSL_do_handshake(stream->ssl);
	return rc == 1 ? 1 : (int)stream_tls_failed(stream, rc);
}

bool
stream_has_more(const struct stream *stream)
{
	return stream->ssl != NULL && SSL_has_pending(stream->ssl);
}

bool
stream_has_data(const struct stream *stream)
{
	return stream->ssl != NULL && SSL_pending(stream->ssl) > 0;
}

bool
stream_has_part(const struct stream *stream)
{
	return stream_has_more(stream) && !stream_has_data(stream) &&
	       SSL_is_init_finished(stream->ssl);
}

bool
stream_was_reset(const struct stream *stream)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof info;

	return stream->fd >= 0 && getsockopt(stream->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	       info.tcpi_state == TCP_CLOSE;
}

void
stream_close(struct stream *stream)
{
	SSL_free(stream->ssl);
	stream->ssl = NULL;
	if (stream->fd >= 0)
		close(stream->fd);
	stream->fd = -1;
}
