/* A delivery as evhookctl listen shows it. */
#include "ctl/received.h"

#include <event2/buffer.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <openssl/crypto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/escape.h"
#include "ctl/out.h"
#include "proto/datetime.h"
#include "proto/json.h"

#define RECEIVED_AGE_MAX 300 /* seconds, as Standard Webhooks libraries have it */

static const char *
received_header(struct evhttp_request *request, const char *name)
{
	const char *value = evhttp_find_header(evhttp_request_get_input_headers(request), name);

	return value != NULL ? value : "";
}

/* Any one of the signatures, separated by blanks. */
static bool
received_has(const char *list, const char *signature)
{
	while (*(list += strspn(list, " ")) != '\0') {
		size_t n = strcspn(list, " ");

		if (n == SIGNATURE_LEN && CRYPTO_memcmp(list, signature, n) == 0)
			return true;
		list += n;
	}
	return false;
}

/* "ok", "unchecked", or what is wrong. */
static const char *
received_verify(struct evhttp_request *request, struct signer *signer, const void *body, size_t len)
{
	const char *given = received_header(request, "webhook-signature");
	const char *stamp = received_header(request, "webhook-timestamp");
	char signature[SIGNATURE_LEN + 1], *end;
	int64_t time = strtoll(stamp, &end, 10);
	int64_t age = clock_wall_ms() / 1000 - time;

	if (signer == NULL)
		return given[0] != '\0' ? "unchecked" : "none";
	if (given[0] == '\0')
		return "missing";
	if (*stamp == '\0' || *end != '\0')
		return "wrong";
	signer_sign(signer, received_header(request, "webhook-id"), time, body, len, signature);
	if (!received_has(given, signature))
		return "wrong";
	return age > RECEIVED_AGE_MAX || age < -RECEIVED_AGE_MAX ? "stale" : "ok";
}

static void
received_add_text(struct buf *out, const char *key, const char *text)
{
	json_key(out, key);
	escape_json(out, text, strlen(text));
}

static void
received_print_json(struct evhttp_request *request, const char *verdict, int status,
    const struct json *root, const char *body, size_t len, const char *date)
{
	struct buf out = {0};
	struct evkeyval *header;

	json_open(&out, '{');
	received_add_text(&out, "receivedAt", date);
	received_add_text(&out, "target", evhttp_request_get_uri(request));
	received_add_text(&out, "signature", verdict);
	json_key(&out, "status");
	json_add_int(&out, status);
	/* Pairs, since a name may come twice. */
	json_key(&out, "headers");
	json_open(&out, '[');
	TAILQ_FOREACH(header, evhttp_request_get_input_headers(request), next)
	{
		json_open(&out, '[');
		escape_json(&out, header->key, strlen(header->key));
		buf_addc(&out, ',');
		escape_json(&out, header->value, strlen(header->value));
		json_close(&out, ']');
	}
	json_close(&out, ']');
	json_key(&out, "body");
	if (root != NULL)
		out_line(&out, root);
	else
		escape_json(&out, body, len);
	json_close(&out, '}');
	puts(buf_str(&out));
	buf_clear(&out);
}

static void
received_print_text(struct evhttp_request *request, const char *verdict, int status,
    const struct json *root, const char *body, size_t len, const char *date, bool all)
{
	/* What every delivery has and the first line says, or what no reader asks for. */
	static const char *const plain[] = {"host", "content-type", "content-length", "user-agent",
	    "connection", "webhook-id", "webhook-timestamp", "webhook-signature",
	    "webhook-event-type", "webhook-attempt"};
	struct buf line = {0};
	struct evkeyval *header;

	buf_printf(&line, "%s  ", date);
	for (size_t i = 5; i < 10; i++) {
		const char *value = received_header(request, plain[i]);

		if (i == 6 || i == 7 || value[0] == '\0')
			continue;
		buf_adds(&line, i == 5 ? "event " : i == 8 ? "type " : "attempt ");
		out_safe(&line, value, strlen(value));
		buf_adds(&line, "  ");
	}
	printf("%ssignature %s  answered %d\n", buf_str(&line), verdict, status);
	TAILQ_FOREACH(header, evhttp_request_get_input_headers(request), next)
	{
		bool known = false;

		for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
			known = known || (!all && strcasecmp(header->key, plain[i]) == 0);
		if (known)
			continue;
		buf_reset(&line);
		out_safe(&line, header->key, strlen(header->key));
		buf_adds(&line, ": ");
		out_safe(&line, header->value, strlen(header->value));
		printf("  %s\n", buf_str(&line));
	}
	if (root != NULL) {
		fputs("  ", stdout);
		out_pretty(root, 2);
	} else {
		buf_reset(&line);
		out_safe(&line, body, len);
		printf("  %s", buf_str(&line));
	}
	putchar('\n');
	buf_clear(&line);
}

int
received_print(
    struct evhttp_request *request, struct signer *signer, int status, enum received_form form)
{
	struct evbuffer *input = evhttp_request_get_input_buffer(request);
	size_t len = evbuffer_get_length(input);
	const char *body = len > 0 ? (const char *)evbuffer_pullup(input, -1) : "";
	const char *verdict = received_verify(request, signer, body, len);
	char date[DATETIME_LEN + 1];
	struct json_doc doc = {0};
	struct json_error error;

	datetime_format(date, clock_wall_ms());
	if (json_parse(&doc, body, len, SIZE_MAX, &error) != 0)
		json_doc_clear(&doc);
	if (form == RECEIVED_JSON)
		received_print_json(request, verdict, status, doc.root, body, len, date);
	else
		received_print_text(
		    request, verdict, status, doc.root, body, len, date, form == RECEIVED_HEADERS);
	json_doc_clear(&doc);
	return signer == NULL || strcmp(verdict, "ok") == 0 ? 0 : -1;
}
