/* Client TLS over OpenSSL: two contexts, one that verifies and one that does not. */
#include "deliver/tls.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <time.h>

#include "base/buf.h"
#include "base/mem.h"

/* What an endpoint may have us compute with: its wish for 8192 bits of Diffie-Hellman costs the
 * loop a third of a second, a signature by a key of 16 384 bits 8 ms. */
#define TLS_GROUPS "X25519:P-256:P-384"
#define TLS_CIPHERS "DEFAULT:!kDHE"
#define TLS_KEY_BITS 8192
#define TLS_EXPONENT_BITS 32
#define TLS_CHAIN_DEPTH 10
#define TLS_CHAIN_BYTES 32768

struct tls {
	char *ca_file;
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

/* A session stands for the certificate that was judged when it began, and ends with it. */
static void
tls_limit_session(SSL_SESSION *session)
{
	const X509 *cert = SSL_SESSION_get0_peer(session);
	int days, seconds;
	long left = 0;

	if (cert != NULL && ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) == 1)
		left = days > 365 ? LONG_MAX : days * 86400L + seconds;
	if (left < SSL_SESSION_get_timeout(session))
		SSL_SESSION_set_timeout(session, left > 0 ? left : 0);
}

/* When it was made; OpenSSL 3.4 has a new function for it and warns of the old one. */
static time_t
tls_session_time(const SSL_SESSION *session)
{
#if OPENSSL_VERSION_NUMBER >= 0x30400000L
	return SSL_SESSION_get_time_ex(session);
#else
	return SSL_SESSION_get_time(session);
#endif
}

static bool
tls_session_is_over(const SSL_SESSION *session)
{
	return time(NULL) >= tls_session_time(session) + SSL_SESSION_get_timeout(session);
}

static int
tls_on_session(SSL *ssl, SSL_SESSION *session)
{
	SSL_SESSION **slot = SSL_get_ex_data(ssl, tls_slot_index());

	if (slot == NULL)
		return 0;
	tls_limit_session(session);
	SSL_SESSION_free(*slot);
	*slot = session;
	return 1; /* the reference is ours now */
}

static bool
tls_key_is_large(X509 *cert)
{
	EVP_PKEY *key = X509_get0_pubkey(cert);
	BIGNUM *exponent = NULL;
	bool large;

	if (key == NULL)
		return false;
	large = EVP_PKEY_get_bits(key) > TLS_KEY_BITS;
	if (!large && EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1)
		large = BN_num_bits(exponent) > TLS_EXPONENT_BITS;
	BN_free(exponent);
	return large;
}

/* What OpenSSL does before it looks at a signature; arg NULL: whoever it is. */
static int
tls_on_chain(X509_STORE_CTX *store, void *arg)
{
	STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(store);

	for (int i = 0; i < sk_X509_num(chain); i++) {
		if (!tls_key_is_large(sk_X509_value(chain, i)))
			continue;
		X509_STORE_CTX_set_error(store, TLS_KEY_TOO_LARGE);
		return 0;
	}
	return arg == NULL ? 1 : X509_verify_cert(store);
}

static SSL_CTX *
tls_context(bool verify)
{
	static char yes;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL || SSL_CTX_set1_groups_list(ctx, TLS_GROUPS) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, TLS_CIPHERS) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_verify_depth(ctx, TLS_CHAIN_DEPTH);
	SSL_CTX_set_max_cert_list(ctx, TLS_CHAIN_BYTES);
	SSL_CTX_set_cert_verify_callback(ctx, tls_on_chain, verify ? &yes : NULL);
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

/* The one that verifies, with its CAs; NULL and *why. */
static SSL_CTX *
tls_trusting(const char *ca_file, char **why)
{
	SSL_CTX *ctx;
	int ok;

	ERR_clear_error();
	ctx = tls_context(true);
	if (ctx == NULL) {
		*why = tls_why("TLS cannot be set up", NULL);
		return NULL;
	}
	ok = ca_file != NULL ? SSL_CTX_load_verify_locations(ctx, ca_file, NULL)
			     : SSL_CTX_set_default_verify_paths(ctx);
	if (ok)
		return ctx;
	*why = tls_why("cannot use the CA file", ca_file);
	SSL_CTX_free(ctx);
	return NULL;
}

int
tls_reload(struct tls *tls, char **why)
{
	SSL_CTX *ctx = tls_trusting(tls->ca_file, why);

	if (ctx == NULL)
		return -1;
	SSL_CTX_free(tls->checked); /* connections have references of their own */
	tls->checked = ctx;
	return 0;
}

struct tls *
tls_new(const char *ca_file, char **why)
{
	struct tls *tls = xcalloc(1, sizeof *tls);

	if (ca_file != NULL)
		tls->ca_file = xstrdup(ca_file);
	tls->checked = tls_trusting(ca_file, why);
	if (tls->checked == NULL) {
		tls_free(tls);
		return NULL;
	}
	tls->unchecked = tls_context(false);
	if (tls->unchecked == NULL) {
		*why = tls_why("TLS cannot be set up", NULL);
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
	free(tls->ca_file);
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
		/* names are where RFC 9525, 2 has them, never in the subject's CN */
		SSL_set_hostflags(ssl,
		    X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
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

bool
tls_keep_session(SSL *ssl, SSL_SESSION **slot)
{
	SSL_set_ex_data(ssl, tls_slot_index(), slot);
	if (slot == NULL || *slot == NULL)
		return false;
	if (tls_session_is_over(*slot)) {
		SSL_SESSION_free(*slot);
		*slot = NULL;
		return false;
	}
	return SSL_set_session(ssl, *slot) == 1;
}
