/* Client TLS over OpenSSL: two contexts, one that verifies and one that does not. */
#include "deliver/tls.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/mem.h"

struct tls {
	SSL_CTX *checked;
	SSL_CTX *unchecked;
};

static int
tls_slot_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return index;
}

static int
tls_on_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION **slot = SSL_get_ex_data(ssl, tls_slot_index());

	if (slot == NULL)
		return 0;
	SSL_SESSION_free(*slot);
	*slot = session;
	return 1; /* the reference is ours now */
}

static SSL_CTX *
tls_context(int mode)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, mode, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* A peer that sends nothing but changes of keys must not keep SSL_read() to itself. */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	/* An end without close_notify is an end: the status is in the head, and HTTP has lengths.
	 */
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, tls_on_session);
	return ctx;
}

static char *
tls_why(const char *what, const char *file)
{
	struct buf buf = {0};
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	buf_printf(&buf, "%s%s%s: %s", what, file != NULL ? " " : "", file != NULL ? file : "",
	    reason != NULL ? reason : "unknown error");
	ERR_clear_error();
	return buf_take(&buf, NULL);
}

struct tls *
tls_new(const char *ca_file, char **why)
{
	struct tls *tls = xcalloc(1, sizeof *tls);
	int ok;

	ERR_clear_error();
	tls->checked = tls_context(SSL_VERIFY_PEER);
	tls->unchecked = tls_context(SSL_VERIFY_NONE);
	if (tls->checked == NULL || tls->unchecked == NULL) {
		*why = tls_why("TLS cannot be set up", NULL);
		tls_free(tls);
		return NULL;
	}
	if (ca_file != NULL)
		ok = SSL_CTX_load_verify_locations(tls->checked, ca_file, NULL);
	else
		ok = SSL_CTX_set_default_verify_paths(tls->checked);
	if (!ok) {
		*why = tls_why("cannot use the CA file", ca_file);
		tls_free(tls);
		return NULL;
	}
	return tls;
}

void
tls_free(struct tls *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->checked);
	SSL_CTX_free(tls->unchecked);
	free(tls);
}

SSL *
tls_client(struct tls *tls, const struct url *url, bool verify)
{
	SSL *ssl = SSL_new(verify ? tls->checked : tls->unchecked);
	bool ok = ssl != NULL;

	/* A server name is a DNS name, never an address (RFC 6066, section 3). */
	if (ok && url->kind == URL_HOST_NAME)
		ok = SSL_set_tlsext_host_name(ssl, url->host) == 1;
	if (ok && verify) {
		SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		if (url->kind == URL_HOST_NAME)
			ok = SSL_set1_host(ssl, url->host) == 1;
		else
			ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), url->host) == 1;
	}
	if (!ok) {
		SSL_free(ssl);
		return NULL;
	}
	return ssl;
}

void
tls_keep_session(SSL *ssl, SSL_SESSION **slot)
{
	SSL_set_ex_data(ssl, tls_slot_index(), slot);
	if (slot != NULL && *slot != NULL)
		SSL_set_session(ssl, *slot);
}
