/* evhookctl token: a bearer token for evhookd (RFC 7515, 7519), signed with HS256. */
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/mem.h"
#include "ctl/ctl.h"
#include "ctl/input.h"
#include "proto/json.h"

#define TOKEN_KEY_MIN 32 /* RFC 7518, section 3.2 */

/* base64url without padding (RFC 7515, section 2). */
static void
cmd_token_encode(struct buf *out, const void *p, size_t n)
{
	char *text = xmalloc(BASE64_LEN(n) + 1);

	base64_encode(text, p, n);
	for (char *c = text; *c != '\0' && *c != '='; c++)
		buf_addc(out, *c == '+' ? '-' : *c == '/' ? '_' : *c);
	free(text);
}

/* Words with commas or blanks between them, as an array. */
static size_t
cmd_token_words(struct buf *out, const char *key, const char *list)
{
	size_t count = 0;

	json_key(out, key);
	json_open(out, '[');
	while (*(list += strspn(list, ", ")) != '\0') {
		size_t n = strcspn(list, ", ");

		json_add_strn(out, list, n);
		list += n;
		count++;
	}
	json_close(out, ']');
	return count;
}

static void
cmd_token_text(const struct ctl *ctl, const char *option, struct buf *out, const char *key)
{
	if (ctl_get(ctl, option) == NULL)
		return;
	json_key(out, key);
	json_add_str(out, ctl_get(ctl, option));
}

static int
cmd_token_claims(const struct ctl *ctl, struct buf *out)
{
	const char *tenants = ctl_get(ctl, "tenants"), *subject = ctl_get(ctl, "subject");
	int64_t now = clock_wall_ms() / 1000, ttl_ms;
	struct uuid user;
	int code = ctl_time(ctl, "ttl", &ttl_ms);

	if (code != CTL_OK)
		return code;
	if (tenants == NULL)
		tenants = ctl_get(ctl, "tenant");
	if (tenants == NULL)
		return ctl_fail(CTL_USAGE, "for which tenants?  --tenants UUID,… or --tenants any");
	if (subject != NULL && uuid_parse(&user, subject, strlen(subject)) != 0)
		return ctl_fail(CTL_USAGE, "--subject is a UUID");
	json_open(out, '{');
	json_key(out, "iat");
	json_add_int(out, now);
	json_key(out, "exp");
	json_add_int(out, now + ttl_ms / 1000);
	cmd_token_text(ctl, "subject", out, "sub");
	cmd_token_text(ctl, "issuer", out, "iss");
	cmd_token_text(ctl, "audience", out, "aud");
	if (cmd_token_words(out, "tenants", tenants) == 0 ||
	    cmd_token_words(out, "permissions", ctl_get(ctl, "permissions")) == 0)
		return ctl_fail(CTL_USAGE, "--tenants and --permissions must not be empty");
	json_close(out, '}');
	return CTL_OK;
}

static int
cmd_token_key(const struct ctl *ctl, struct buf *key)
{
	const char *file = ctl_get(ctl, "key-file");
	int code;

	if (file == NULL)
		return ctl_fail(CTL_USAGE, "no key: say --key-file");
	code = input_secret(file, key);
	if (code != CTL_OK)
		return code;
	if (key->len > 0 && memmem(key->data, key->len, "-----BEGIN", 10) != NULL)
		return ctl_fail(
		    CTL_FAILED, "%s is PEM: this makes tokens with HMAC keys only", file);
	if (key->len < TOKEN_KEY_MIN)
		return ctl_fail(
		    CTL_FAILED, "the key in %s is shorter than %d bytes", file, TOKEN_KEY_MIN);
	return CTL_OK;
}

int
cmd_token(struct ctl *ctl)
{
	static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	struct buf key = {0}, claims = {0}, token = {0};
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned mac_len = 0;
	int code = cmd_token_key(ctl, &key);

	if (code == CTL_OK)
		code = cmd_token_claims(ctl, &claims);
	if (code == CTL_OK) {
		cmd_token_encode(&token, header, sizeof header - 1);
		buf_addc(&token, '.');
		cmd_token_encode(&token, claims.data, claims.len);
		if (HMAC(EVP_sha256(), key.data, (int)key.len, (const unsigned char *)token.data,
			token.len, mac, &mac_len) == NULL)
			abort();
		buf_addc(&token, '.');
		cmd_token_encode(&token, mac, mac_len);
		if (ctl_is(ctl, "json"))
			printf("{\"token\":\"%s\"}\n", buf_str(&token));
		else
			puts(buf_str(&token));
	}
	if (key.data != NULL)
		mem_wipe(key.data, key.cap);
	buf_clear(&key);
	buf_clear(&claims);
	buf_clear(&token);
	return code;
}
