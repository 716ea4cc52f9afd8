/* Why a POST had no answer: from errno and OpenSSL's errors to words. */
#include "deliver/words.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "deliver/tls.h"

static const char *
words_connect(const struct conn *conn)
{
	const char *text;

	switch (conn->stream.error) {
	case ECONNREFUSED:
		return "connection refused";
	case ENETUNREACH:
		return "network unreachable";
	case EHOSTUNREACH:
		return "host unreachable";
	case ETIMEDOUT:
		return "timed out while connecting";
	case ECONNRESET:
		return "connection reset";
	case EMFILE:
	case ENFILE:
		return "no file descriptor left for a connection";
	default:
		text = strerrordesc_np(conn->stream.error);
		return text != NULL ? text : "cannot connect";
	}
}

static const char *
words_tls(const struct conn *conn, char *buf, size_t cap)
{
	const char *reason =
	    conn->stream.tls_error != 0 ? ERR_reason_error_string(conn->stream.tls_error) : NULL;

	if (conn->verify_error == X509_V_ERR_HOSTNAME_MISMATCH)
		return "TLS: the certificate is for another host name";
	if (conn->verify_error == X509_V_ERR_IP_ADDRESS_MISMATCH)
		return "TLS: the certificate is for another IP address";
	if (conn->verify_error == TLS_KEY_TOO_LARGE)
		return "TLS: the certificate's key is too large";
	if (conn->verify_error != X509_V_OK)
		snprintf(buf, cap, "TLS: %s", X509_verify_cert_error_string(conn->verify_error));
	else
		snprintf(buf, cap, "TLS handshake failed: %s",
		    reason != NULL ? reason : "the connection was closed");
	return buf;
}

static const char *
words_exchange(const struct conn *conn, char *buf, size_t cap)
{
	const char *reason =
	    conn->stream.tls_error != 0 ? ERR_reason_error_string(conn->stream.tls_error) : NULL;

	/* TLS 1.3: a server that wants another certificate says so after the handshake. */
	if (reason != NULL && conn->received == 0) {
		snprintf(buf, cap, "TLS: %s", reason);
		return buf;
	}
	if (conn->was_reset)
		return "connection reset";
	return conn->received > 0 ? "closed in the middle of the answer"
				  : "closed without an answer";
}

const char *
words_end(const struct conn *conn, char *buf, size_t cap)
{
	if (conn_is_late(conn))
		return words_timeout(conn);
	if (conn->ended_in == CONN_CONNECT)
		return words_connect(conn);
	if (conn->ended_in == CONN_TLS)
		return words_tls(conn, buf, cap);
	return words_exchange(conn, buf, cap);
}

const char *
words_timeout(const struct conn *conn)
{
	switch (conn->phase == CONN_DEAD ? conn->ended_in : conn->phase) {
	case CONN_CONNECT:
		return "timed out while connecting";
	case CONN_TLS:
		return "timed out in the TLS handshake";
	case CONN_OPEN:
	case CONN_DEAD:
		break;
	}
	return "timed out while waiting for the answer";
}
