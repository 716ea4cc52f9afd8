/*
 * The keys that seal TLS sessions into tickets.  OpenSSL would keep one key as long as the process
 * lives, and who gets hold of it could read all that was resumed (TLS 1.2) or sent early.  Here a
 * key seals for an hour, opens for another one, and is wiped at the next handshake after that.
 */
#include "server/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rnd.h"

#define TLS_TICKETS_SEAL_MS (INT64_C(60) * 60 * 1000)
#define TLS_TICKETS_NAME 16 /* bytes, as OpenSSL has them */
#define TLS_TICKETS_KEY 32

struct tls_ticket_key {
	unsigned char name[TLS_TICKETS_NAME];
	unsigned char cipher[TLS_TICKETS_KEY];
	unsigned char mac[TLS_TICKETS_KEY];
	int64_t since_ms;
	bool used; /* there is one */
};

struct tls_tickets {
	struct tls_ticket_key present, previous;
};

static void
tls_tickets_free(void *parent, void *ptr, CRYPTO_EX_DATA *data, int index, long n, void *arg)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)n;
	(void)arg;
	if (ptr == NULL)
		return;
	mem_wipe(ptr, sizeof(struct tls_tickets));
	free(ptr);
}

static int
tls_tickets_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, tls_tickets_free);
	if (index < 0)
		abort(); /* out of memory, as in base/mem.c */
	return index;
}

static void
tls_tickets_renew(struct tls_ticket_key *key, int64_t now_ms)
{
	rnd_bytes(key->name, sizeof key->name);
	rnd_bytes(key->cipher, sizeof key->cipher);
	rnd_bytes(key->mac, sizeof key->mac);
	key->since_ms = now_ms;
	key->used = true;
}

/* Brings the keys to the present hour. */
static void
tls_tickets_turn(struct tls_tickets *tickets)
{
	int64_t now_ms = clock_mono_ms();

	if (tickets->previous.used && now_ms - tickets->previous.since_ms > 2 * TLS_TICKETS_SEAL_MS)
		mem_wipe(&tickets->previous, sizeof tickets->previous);
	if (tickets->present.used && now_ms - tickets->present.since_ms <= TLS_TICKETS_SEAL_MS)
		return;
	if (tickets->present.used && now_ms - tickets->present.since_ms <= 2 * TLS_TICKETS_SEAL_MS)
		tickets->previous = tickets->present;
	tls_tickets_renew(&tickets->present, now_ms);
}

static struct tls_ticket_key *
tls_tickets_find(struct tls_tickets *tickets, const unsigned char *name)
{
	if (memcmp(name, tickets->present.name, TLS_TICKETS_NAME) == 0)
		return &tickets->present;
	if (tickets->previous.used && memcmp(name, tickets->previous.name, TLS_TICKETS_NAME) == 0)
		return &tickets->previous;
	return NULL;
}

static bool
tls_tickets_set_mac(struct tls_ticket_key *key, EVP_MAC_CTX *mac)
{
	static char sha256[] = "SHA256";
	OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
	    OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1, 2 to have the ticket replaced, 0 where no key fits,
 * -1 where it cannot be done. */
static int
tls_tickets_on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, int seal)
{
	struct tls_tickets *tickets =
	    SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), tls_tickets_index());
	struct tls_ticket_key *key;

	tls_tickets_turn(tickets);
	key = seal ? &tickets->present : tls_tickets_find(tickets, name);
	if (key == NULL)
		return 0;
	if (seal) {
		memcpy(name, key->name, TLS_TICKETS_NAME);
		rnd_bytes(iv, (size_t)EVP_CIPHER_get_iv_length(EVP_aes_256_cbc()));
	}
	if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv, seal) != 1 ||
	    !tls_tickets_set_mac(key, mac))
		return -1;
	return key == &tickets->present ? 1 : 2;
}

void
tls_tickets_use(SSL_CTX *ctx)
{
	struct tls_tickets *tickets = xcalloc(1, sizeof *tickets);

	tls_tickets_turn(tickets);
	if (SSL_CTX_set_ex_data(ctx, tls_tickets_index(), tickets) != 1)
		abort(); /* out of memory */
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, tls_tickets_on_ticket);
}
