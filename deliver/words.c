/* Why a POST had no answer: from errno, OpenSSL's and evhttp's errors to words. */
#include "deliver/words.h"

#include <errno.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

const char *
words_connect(const struct conn *conn, int error)
{
	const char *text;

	if (conn_is_late(conn))
		return words_timeout(conn);
	switch (error) {
	case 0:
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
		text = strerrordesc_np(error);
		return text != NULL ? text : "cannot connect";
	}
}

const char *
words_tls(const struct conn *conn, char *buf, size_t cap)
{
	unsigned long error = bufferevent_get_openssl_error(conn->bev);
	const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;

	if (conn_is_late(conn))
		return words_timeout(conn);
	if (conn->verify_error == X509_V_ERR_HOSTNAME_MISMATCH)
		return "TLS: the certificate is for another host name";
	if (conn->verify_error == X509_V_ERR_IP_ADDRESS_MISMATCH)
		return "TLS: the certificate is for another IP address";
	if (conn->verify_error != X509_V_OK)
		snprintf(buf, cap, "TLS: %s", X509_verify_cert_error_string(conn->verify_error));
	else
		snprintf(buf, cap, "TLS handshake failed: %s",
		    reason != NULL ? reason : "the connection was closed");
	return buf;
}

const char *
words_exchange(const struct conn *conn, int http_error, char *buf, size_t cap)
{
	unsigned long error = conn->ssl != NULL ? bufferevent_get_openssl_error(conn->bev) : 0;
	const char *reason = error != 0 ? ERR_reason_error_string(error) : NULL;

	if (conn->received > CONN_HEAD_MAX)
		return "answer head over the limit";
	if (http_error == EVREQ_HTTP_INVALID_HEADER || http_error == EVREQ_HTTP_DATA_TOO_LONG)
		return "the answer is not valid HTTP";
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
words_timeout(const struct conn *conn)
{
	switch (conn->phase) {
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
