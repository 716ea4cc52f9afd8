/* An endpoint: defaults, merging, what must hold for the whole, and its JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "proto/sign.h"
#include "proto/webhook_internal.h"

void
endpoint_init(struct endpoint *endpoint)
{
	*endpoint = (struct endpoint){
	    .url = xstrdup(""),
	    .secret = xstrdup(""),
	    .tag = xstrdup(""),
	    .secure_ssl = true,
	};
}

void
endpoint_copy(struct endpoint *to, const struct endpoint *from)
{
	*to = *from;
	to->url = xstrdup(from->url);
	to->secret = xstrdup(from->secret);
	to->tag = xstrdup(from->tag);
	headers_copy(&to->headers, &from->headers);
}

void
endpoint_clear(struct endpoint *endpoint)
{
	member_text_free(endpoint->url); /* may be all that it takes to send there */
	member_text_free(endpoint->secret);
	free(endpoint->tag);
	headers_clear(&endpoint->headers);
	*endpoint = (struct endpoint){0};
}

/* "" with hmacEnabled asks for a new secret; without a word about it one is made only when there
 * is none. */
static void
endpoint_merge_secret(struct endpoint *endpoint, const struct json *body)
{
	char made[SECRET_GENERATED_LEN + 1];

	member_text(body, "secret", &endpoint->secret);
	if (!endpoint->hmac_enabled || endpoint->secret[0] != '\0')
		return;
	secret_generate(made);
	member_text_set(&endpoint->secret, made);
	mem_wipe(made, sizeof(made));
}

void
endpoint_merge(struct endpoint *endpoint, const struct json *body)
{
	member_text(body, "url", &endpoint->url);
	member_text(body, "tag", &endpoint->tag);
	member_bool(body, "secureSsl", &endpoint->secure_ssl);
	member_bool(body, "hmacEnabled", &endpoint->hmac_enabled);
	if (member_is_null(body, "timeoutSeconds"))
		endpoint->timeout_seconds = 0;
	(void)member_uint(body, "timeoutSeconds", &endpoint->timeout_seconds);
	endpoint_merge_secret(endpoint, body);
	headers_merge(&endpoint->headers, json_get(body, "headers"), NULL);
	headers_merge(
	    &endpoint->headers, json_get(body, "addHeaders"), json_get(body, "removeHeaders"));
}

void
endpoint_default_hmac(struct endpoint *endpoint, const struct json *body)
{
	if (json_get(body, "hmacEnabled") == NULL)
		endpoint->hmac_enabled = endpoint->secret[0] != '\0';
}

void
endpoint_judge_tag(const struct endpoint *endpoint, const char *prefix, struct faults *faults)
{
	if (endpoint->tag[0] != '\0' && endpoint->secret[0] == '\0')
		faults_add(faults, prefix, "tag", "names a secret, but there is none");
}

void
endpoint_write(const struct endpoint *endpoint, const char *key, unsigned parts, struct buf *out)
{
	static const struct headers none;
	bool hide = (parts & ENDPOINT_HIDE) != 0;

	json_key(out, key);
	json_open(out, '{');
	if (parts & ENDPOINT_PUBLIC) {
		json_key(out, "hmacEnabled");
		json_add_bool(out, endpoint->hmac_enabled);
	}
	if (parts & ENDPOINT_SECRET) {
		json_key(out, "secret");
		json_add_str(out, hide ? "" : endpoint->secret);
		json_key(out, "secureSsl");
		json_add_bool(out, endpoint->secure_ssl);
	}
	if (parts & ENDPOINT_PUBLIC) {
		json_key(out, "tag");
		json_add_str(out, endpoint->tag);
		json_key(out, "timeoutSeconds");
		if (endpoint->timeout_seconds == 0)
			json_add_null(out);
		else
			json_add_int(out, endpoint->timeout_seconds);
	}
	if (parts & ENDPOINT_SECRET) {
		json_key(out, "url");
		json_add_str(out, endpoint->url);
		json_key(out, "headers");
		headers_write(hide ? &none : &endpoint->headers, out);
	}
	json_close(out, '}');
}
