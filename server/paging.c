/*
 * Paging tokens.  In the clear a token reads "1 (or 2: the newest first) <tenant> <ms>-<seq>
 * <exclusive> <end> <size> <type>". It grants nothing: whoever may list the tenant's events may use
 * it, and it is checked against the tenant of the path.  The last word is a check sum.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/encode.h"
#include "server/paging.h"

#define TOKEN_TEXT_MAX 300
#define SUM_LEN 8

/* Four bytes of SHA-256 in hex: a token that was cut or mistyped is none. */
static void
paging_sum(const char *text, size_t n, char sum[SUM_LEN + 1])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len;
	struct buf hex = {0};

	if (EVP_Digest(text, n, digest, &len, EVP_sha256(), NULL) != 1)
		abort();
	hex_encode(&hex, digest, SUM_LEN / 2);
	memcpy(sum, buf_str(&hex), SUM_LEN + 1);
	buf_clear(&hex);
}

void
paging_write(const struct paging *paging, struct buf *out)
{
	char text[TOKEN_TEXT_MAX], sum[SUM_LEN + 1], encoded[BASE64_LEN(TOKEN_TEXT_MAX) + 1];
	int n =
	    snprintf(text, sizeof text, "%d %s %lld-%u %d %lld %u %s", paging->newest_first ? 2 : 1,
		paging->tenant.s, (long long)paging->position.ms, paging->position.seq,
		paging->exclusive, (long long)paging->end_ms, paging->page_size, paging->type);

	paging_sum(text, (size_t)n, sum);
	n += snprintf(text + n, sizeof text - (size_t)n, " %s", sum);
	base64_encode(encoded, text, (size_t)n);
	for (char *s = encoded; *s != '\0' && *s != '='; s++)
		buf_addc(out, *s == '+' ? '-' : *s == '/' ? '_' : *s);
}

/* Back to padded base64, then to text.  The length of the text, or -1. */
static ssize_t
paging_decode(const char *token, char text[TOKEN_TEXT_MAX + 1])
{
	char encoded[BASE64_LEN(TOKEN_TEXT_MAX) + 4];
	size_t n = strlen(token);
	ssize_t len;

	if (n == 0 || n > BASE64_LEN(TOKEN_TEXT_MAX))
		return -1;
	for (size_t i = 0; i < n; i++)
		encoded[i] = token[i] == '-' ? '+' : token[i] == '_' ? '/' : token[i];
	while (n % 4 != 0)
		encoded[n++] = '=';
	len = base64_decode(text, TOKEN_TEXT_MAX, encoded, n);
	if (len >= 0)
		text[len] = '\0';
	return len;
}

int
paging_read(struct paging *paging, const char *token)
{
	char text[TOKEN_TEXT_MAX + 1], tenant[UUID_LEN + 1];
	long long ms, end_ms;
	unsigned form, seq, exclusive, page_size;
	int at = 0;
	char sum[SUM_LEN + 1];
	ssize_t len = paging_decode(token, text) - SUM_LEN - 1; /* without the sum */

	memset(paging, 0, sizeof *paging);
	if (len < 0 || strlen(text) != (size_t)len + SUM_LEN + 1)
		return -1;
	paging_sum(text, (size_t)len, sum);
	if (text[len] != ' ' || strcmp(text + len + 1, sum) != 0)
		return -1;
	text[len] = '\0';
	if (sscanf(text, "%1u %36s %15lld-%7u %1u %15lld %4u %n", &form, tenant, &ms, &seq,
		&exclusive, &end_ms, &page_size, &at) != 7 ||
	    at == 0 || form < 1 || form > 2)
		return -1;
	if (uuid_parse(&paging->tenant, tenant, strlen(tenant)) != 0 || ms < 0 ||
	    seq > LOCATOR_SEQ_MAX || exclusive > 1 || end_ms < -1 || end_ms == 0 || page_size < 1 ||
	    page_size > 1000)
		return -1;
	if (text[at] != '\0' && !eventtype_valid(text + at, strlen(text + at)))
		return -1;
	paging->position.ms = ms;
	paging->position.seq = seq;
	paging->exclusive = exclusive == 1;
	paging->newest_first = form == 2;
	paging->end_ms = end_ms;
	paging->page_size = page_size;
	snprintf(paging->type, sizeof paging->type, "%s", text + at);
	return 0;
}
