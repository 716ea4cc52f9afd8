/* --redis: what is accepted reads the same when written out again. */
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "store/redisuri.h"
#include "test/fuzz/fuzz.h"

static bool
fuzz_same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void
fuzz_escape(struct buf *out, const char *s)
{
	for (; *s != '\0'; s++)
		buf_printf(out, "%%%02x", (unsigned)(unsigned char)*s);
}

static void
fuzz_write(const struct redisuri *uri, struct buf *out)
{
	bool literal;

	buf_adds(out, uri->path != NULL ? "unix://" : "redis://");
	if (uri->user != NULL)
		fuzz_escape(out, uri->user);
	if (uri->password != NULL) {
		buf_addc(out, ':');
		fuzz_escape(out, uri->password);
	}
	if (uri->user != NULL || uri->password != NULL)
		buf_addc(out, '@');
	if (uri->path != NULL) {
		buf_printf(out, "%s?db=%d", uri->path, uri->db);
		return;
	}
	literal = strchr(uri->host, ':') != NULL;
	buf_printf(out, "%s%s%s:%d/%d", literal ? "[" : "", uri->host, literal ? "]" : "",
	    uri->port, uri->db);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size);
	struct redisuri uri, again;
	struct buf out = {0};
	int rc = redisuri_parse(&uri, text);

	FUZZ_CHECK((rc == 0) == (redisuri_fault(text) == NULL));
	if (rc == 0) {
		FUZZ_CHECK((uri.path == NULL) != (uri.host == NULL));
		FUZZ_CHECK(uri.path != NULL || (uri.port >= 1 && uri.port <= 65535));
		FUZZ_CHECK(uri.db >= 0 && (uri.user == NULL || *uri.user != '\0'));
		fuzz_write(&uri, &out);
		FUZZ_CHECK(redisuri_parse(&again, buf_str(&out)) == 0);
		FUZZ_CHECK(fuzz_same(uri.path, again.path) && fuzz_same(uri.host, again.host));
		FUZZ_CHECK(fuzz_same(uri.user, again.user));
		FUZZ_CHECK(fuzz_same(uri.password, again.password));
		FUZZ_CHECK(uri.port == again.port && uri.db == again.db);
		redisuri_clear(&again);
		buf_clear(&out);
	}
	redisuri_clear(&uri);
	free(text);
	return 0;
}
