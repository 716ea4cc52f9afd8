/* Requests as bytes: the fast reading, fed in one piece and byte by byte, against the slow one. */
#include <string.h>

#include "server/wire.h"
#include "test/fuzz/fuzz.h"
#include "test/unit/wire_slow.h"

#define MAX_HEADER 512
#define MAX_BODY 256

/* Feeds pieces of that many bytes until the request is whole, faulty, or the bytes are over. */
static enum wire_result
fuzz_feed(struct wire *wire, const char *p, size_t n, size_t piece)
{
	enum wire_result result = WIRE_MORE;
	size_t at = 0, used, some;
	int heads = 0;

	wire_init(wire, MAX_HEADER, MAX_BODY);
	while (result == WIRE_MORE && at < n) {
		some = n - at < piece ? n - at : piece;
		result = wire_feed(wire, p + at, some, &used);
		FUZZ_CHECK(used <= some && (result != WIRE_MORE || used == some));
		at += used;
		if (result == WIRE_HEAD) {
			FUZZ_CHECK(wire_is_in_body(wire) && wire->taken == 0 && heads++ == 0);
			result = WIRE_MORE;
		}
	}
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data;
	struct wire whole, bytes;
	struct slow slow = {0};
	enum wire_result result = fuzz_feed(&whole, p, size, size + 1);

	FUZZ_CHECK(fuzz_feed(&bytes, p, size, 1) == result);
	FUZZ_CHECK(bytes.status == whole.status && bytes.why == whole.why);
	FUZZ_CHECK(result != WIRE_WHOLE ||
		   (bytes.out.len == whole.out.len &&
		       memcmp(bytes.out.data, whole.out.data, whole.out.len) == 0 &&
		       bytes.body.len == whole.body.len && bytes.taken == whole.taken &&
		       (whole.body.len == 0 ||
			   memcmp(bytes.body.data, whole.body.data, whole.body.len) == 0)));
	slow_read(&slow, p, size, MAX_HEADER, MAX_BODY);
	FUZZ_CHECK((slow.status == -1) == (result == WIRE_MORE));
	FUZZ_CHECK((slow.status == 0) == (result == WIRE_WHOLE && !whole.excess));
	buf_clear(&slow.body);
	wire_clear(&whole);
	wire_clear(&bytes);
	return 0;
}
