/* A non-blocking socket, perhaps under TLS: bytes in, bytes out.  It knows nothing of events. */
#ifndef BASE_STREAM_H
#define BASE_STREAM_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct stream {
	int fd;
	SSL *ssl;                /* NULL: plain */
	bool wants_write;        /* TLS: the last call can go on when one may write, even a read */
	int error;               /* errno of a failure; 0: an end of stream, or TLS */
	unsigned long tls_error; /* OpenSSL's of a failure, 0: none */
};

/* All of these: what was done, 0 when nothing can be done now, -1 when nothing can be done any
 * more. */
ssize_t stream_read(struct stream *stream, void *p, size_t n);
/* At most two pieces; those of no bytes are passed over. */
ssize_t stream_write(struct stream *stream, const struct iovec *pieces, size_t n);
/* TLS alone: 1 when it is done. */
int stream_shake_hands(struct stream *stream);

/* Whether there is more to be read that no event will tell of. */
bool stream_has_more(const struct stream *stream);
/* Of that: whether it can be read now ... */
bool stream_has_data(const struct stream *stream);
/* ... or is the beginning of a TLS record, behind the handshake. */
bool stream_has_part(const struct stream *stream);

/* After a reset TCP is in another state than after an end of stream. */
bool stream_was_reset(const struct stream *stream);

/* Closes the socket and frees the SSL; no word to the peer. */
void stream_close(struct stream *stream);

#endif
