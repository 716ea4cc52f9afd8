/* Paging tokens: any text, any text with a right check sum, and any position, there and back. */
#include <openssl/sha.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "server/paging.h"
#include "test/fuzz/fuzz.h"

#define TEXT_MAX 300
#define MS_MAX INT64_C(999999999999999)

static void
fuzz_check_again(const struct paging *paging)
{
	struct buf token = {0};
	struct paging again;

	paging_write(paging, &token);
	FUZZ_CHECK(paging_read(&again, buf_str(&token)) == 0);
	FUZZ_CHECK(strcmp(again.tenant.s, paging->tenant.s) == 0);
	FUZZ_CHECK(again.position.ms == paging->position.ms);
	FUZZ_CHECK(again.position.seq == paging->position.seq);
	FUZZ_CHECK(again.exclusive == paging->exclusive && again.end_ms == paging->end_ms);
	FUZZ_CHECK(again.newest_first == paging->newest_first);
	FUZZ_CHECK(again.page_size == paging->page_size);
	FUZZ_CHECK(strcmp(again.type, paging->type) == 0);
	for (const char *s = buf_str(&token); *s != '\0'; s++)
		FUZZ_CHECK(strchr("+/=& ", *s) == NULL);
	/* a token that was cut or changed is none */
	token.data[token.len / 2] = token.data[token.len / 2] == 'A' ? 'B' : 'A';
	FUZZ_CHECK(paging_read(&again, token.data) == -1);
	token.data[token.len - 4] = '\0';
	FUZZ_CHECK(paging_read(&again, token.data) == -1);
	buf_clear(&token);
}

static void
fuzz_read(const char *token)
{
	struct paging paging;

	if (paging_read(&paging, token) != 0)
		return;
	FUZZ_CHECK(paging.page_size >= 1 && paging.page_size <= 1000);
	FUZZ_CHECK(paging.type[0] == '\0' || eventtype_valid(paging.type, strlen(paging.type)));
	fuzz_check_again(&paging);
}

/* The text with its check sum behind it, as a token. */
static void
fuzz_read_summed(const uint8_t *data, size_t size)
{
	unsigned char sum[SHA256_DIGEST_LENGTH];
	struct buf text = {0};
	char token[BASE64_LEN(TEXT_MAX + 20) + 1];

	if (size > TEXT_MAX)
		return;
	buf_add(&text, data, size);
	buf_addc(&text, ' ');
	SHA256(data, size, sum);
	hex_encode(&text, sum, 4);
	base64_encode(token, text.data, text.len);
	token[strcspn(token, "=")] = '\0';
	fuzz_read(token);
	buf_clear(&text);
}

static void
fuzz_write_any(const uint8_t *data, size_t size)
{
	struct paging paging = {.tenant = {"0190a5e2-0b4e-7cc1-8d5c-2f0f8b8f3a11"}};
	uint64_t n[3];

	if (size < sizeof n)
		return;
	memcpy(n, data, sizeof n);
	data += sizeof n;
	size -= sizeof n;
	paging.position.ms = (int64_t)(n[0] % (uint64_t)MS_MAX);
	paging.position.seq = (uint32_t)(n[1] & LOCATOR_SEQ_MAX);
	paging.exclusive = n[1] >> 63 != 0;
	paging.newest_first = (n[1] >> 62 & 1) != 0;
	paging.end_ms = (int64_t)(n[2] % (uint64_t)MS_MAX) - 1;
	if (paging.end_ms == 0)
		paging.end_ms = -1; /* a list never ends there */
	paging.page_size = 1 + (unsigned)(n[1] >> 32) % 1000;
	if (eventtype_valid((const char *)data, size))
		memcpy(paging.type, data, size);
	fuzz_check_again(&paging);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *token = xstrndup((const char *)data, size);

	fuzz_read(token);
	free(token);
	fuzz_read_summed(data, size);
	fuzz_write_any(data, size);
	return 0;
}
