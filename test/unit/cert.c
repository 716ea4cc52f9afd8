/* Certificates made for one test run, on P-256. */
#include "test/unit/cert.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>

static void
cert_check(int ok)
{
	if (!ok)
		abort();
}

static void
cert_extend(struct cert *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, issuer, cert->x509, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	cert_check(extension != NULL);
	X509_add_ext(cert->x509, extension, -1);
	X509_EXTENSION_free(extension);
}

struct cert
cert_new(const struct cert *issuer, const char *name, const char *san, long from, long to)
{
	return cert_new_with(EVP_EC_gen("P-256"), issuer, name, san, from, to);
}

struct cert
cert_new_with(
    EVP_PKEY *key, const struct cert *issuer, const char *name, const char *san, long from, long to)
{
	static long serial = 1;
	struct cert cert = {X509_new(), key};
	const struct cert *by = issuer != NULL ? issuer : &cert;
	X509_NAME *subject;

	cert_check(cert.x509 != NULL && cert.key != NULL);
	X509_set_version(cert.x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert.x509), serial++);
	X509_gmtime_adj(X509_getm_notBefore(cert.x509), from);
	X509_gmtime_adj(X509_getm_notAfter(cert.x509), to);
	X509_set_pubkey(cert.x509, cert.key);
	subject = X509_get_subject_name(cert.x509);
	X509_NAME_add_entry_by_txt(
	    subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert.x509, X509_get_subject_name(by->x509));
	if (san != NULL)
		cert_extend(&cert, by->x509, NID_subject_alt_name, san);
	else
		cert_extend(&cert, by->x509, NID_basic_constraints, "critical,CA:TRUE");
	cert_check(X509_sign(cert.x509, by->key, EVP_sha256()) > 0);
	return cert;
}

void
cert_clear(struct cert *cert)
{
	X509_free(cert->x509);
	EVP_PKEY_free(cert->key);
}

void
cert_write(const struct cert *cert, const char *path)
{
	FILE *file = fopen(path, "we");

	cert_check(file != NULL && PEM_write_X509(file, cert->x509) == 1);
	fclose(file);
}

SSL_CTX *
cert_server(const struct cert *cert, int min_version, int max_version)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	cert_check(SSL_CTX_use_certificate(ctx, cert->x509) == 1);
	cert_check(SSL_CTX_use_PrivateKey(ctx, cert->key) == 1);
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, min_version);
	SSL_CTX_set_max_proto_version(ctx, max_version);
	return ctx;
}
