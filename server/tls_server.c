/* TLS for the API's listeners: one certificate, replaced while running. */
#include "server/tls_server.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/keyfile.h"
#include "base/mem.h"
#include "server/tls_tickets.h"

/* For TLS 1.2: forward secrecy and authenticated encryption only (RFC 9325, section 4.2).  Those
 * of TLS 1.3 are all good. */
#define TLS_SERVER_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"

/* OpenSSL's own list has groups of 8192 bits: a client that asks for one, in a kilobyte that costs
 * it nothing, has the loop compute for a seventh of a second. */
#define TLS_SERVER_GROUPS "X25519:P-256:P-384"

#define TLS_SERVER_FILE_MAX 262144 /* bytes: a chain of many long certificates */

struct tls_server {
	char *cert_file;
	char *key_file;
	SSL_CTX *ctx;
};

/* A protocol that we do not speak is refused (RFC 7301, section 3.2). */
static int
tls_server_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
    const unsigned char *in, unsigned int inlen, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";
	unsigned char *chosen;

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto(&chosen, outlen, ours, sizeof ours - 1, in, inlen) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Nobody is there to ask. */
static int
tls_server_on_passphrase(char *buf, int size, int rwflag, void *arg)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	(void)arg;
	return -1;
}

/* The first error has the cause. */
static const char *
tls_server_fault(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	return reason != NULL ? reason : "cannot be used";
}

static char *
tls_server_why(const char *option, const char *file, const char *fault)
{
	struct buf buf = {0};

	buf_printf(&buf, "%s: %s: %s", option, file, fault);
	return buf_take(&buf, NULL);
}

/* The certificate, and those behind it that lead to its authority.  NULL, or what is wrong. */
static const char *
tls_server_use_chain(SSL_CTX *ctx, BIO *pem)
{
	X509 *cert = PEM_read_bio_X509_AUX(pem, NULL, tls_server_on_passphrase, NULL);
	bool ok = cert != NULL && SSL_CTX_use_certificate(ctx, cert) == 1;

	X509_free(cert);
	while (
	    ok && (cert = PEM_read_bio_X509(pem, NULL, tls_server_on_passphrase, NULL)) != NULL) {
		ok = SSL_CTX_add0_chain_cert(ctx, cert) == 1;
		if (!ok)
			X509_free(cert);
	}
	/* reading to the end is to find no further beginning */
	if (!ok || ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
		return tls_server_fault();
	ERR_clear_error();
	return NULL;
}

static const char *
tls_server_use_key(SSL_CTX *ctx, BIO *pem)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, tls_server_on_passphrase, NULL);
	bool ok = key != NULL && SSL_CTX_use_PrivateKey(ctx, key) == 1;

	EVP_PKEY_free(key);
	return ok ? NULL : tls_server_fault();
}

/* NULL, or what is wrong with the file. */
static const char *
tls_server_use(SSL_CTX *ctx, const char *file, const char *(*use)(SSL_CTX *ctx, BIO *pem))
{
	struct keyfile bytes;
	const char *fault = keyfile_read(&bytes, file, TLS_SERVER_FILE_MAX);
	BIO *pem;

	if (fault != NULL)
		return fault;
	pem = BIO_new_mem_buf(bytes.bytes, (int)bytes.len);
	if (pem == NULL)
		abort(); /* out of memory, as in base/mem.c */
	fault = use(ctx, pem);
	BIO_free(pem);
	keyfile_clear(&bytes);
	return fault;
}

static SSL_CTX *
tls_server_context(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_cipher_list(ctx, TLS_SERVER_CIPHERS) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, TLS_SERVER_GROUPS) != 1)
		abort(); /* no memory, or an OpenSSL without TLS 1.2 */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* A client that sends nothing but changes of keys must not keep SSL_read() to itself. */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets do */
	tls_tickets_use(ctx);
	SSL_CTX_set_alpn_select_cb(ctx, tls_server_on_alpn, NULL);
	return ctx;
}

int
tls_server_reload(struct tls_server *tls, char **why)
{
	SSL_CTX *ctx = tls_server_context();
	const char *fault;

	ERR_clear_error();
	if ((fault = tls_server_use(ctx, tls->cert_file, tls_server_use_chain)) != NULL) {
		*why = tls_server_why("--tls-cert", tls->cert_file, fault);
	} else if ((fault = tls_server_use(ctx, tls->key_file, tls_server_use_key)) != NULL) {
		*why = tls_server_why("--tls-key", tls->key_file, fault);
	} else {
		SSL_CTX_free(tls->ctx);
		tls->ctx = ctx;
		return 0;
	}
	SSL_CTX_free(ctx);
	return -1;
}

struct tls_server *
tls_server_new(const char *cert_file, const char *key_file, char **why)
{
	struct tls_server *tls = xcalloc(1, sizeof *tls);

	tls->cert_file = xstrdup(cert_file);
	tls->key_file = xstrdup(key_file);
	if (tls_server_reload(tls, why) == 0)
		return tls;
	tls_server_free(tls);
	return NULL;
}

void
tls_server_free(struct tls_server *tls)
{
	if (tls == NULL)
		return;
	SSL_CTX_free(tls->ctx);
	free(tls->cert_file);
	free(tls->key_file);
	free(tls);
}

bool
tls_server_is_expired(const struct tls_server *tls)
{
	const X509 *cert = SSL_CTX_get0_certificate(tls->ctx);

	return X509_cmp_current_time(X509_get0_notAfter(cert)) < 0;
}

SSL *
tls_server_accept(struct tls_server *tls)
{
	SSL *ssl = SSL_new(tls->ctx);

	if (ssl == NULL)
		abort(); /* out of memory, as in base/mem.c */
	return ssl;
}

void
tls_server_end(SSL *ssl)
{
	if (SSL_is_init_finished(ssl))
		SSL_shutdown(ssl);
	ERR_clear_error(); /* what it could not say does not matter, nor to the next connection */
}
