/* Random bytes from OpenSSL's generator, drawn in blocks. */
#include "base/rnd.h"

#include <limits.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static unsigned char rnd_pool[1024];
static size_t rnd_left; /* unused bytes, at the pool's front */

static void
rnd_draw(void *p, size_t n)
{
	static const char text[] = "evhookd: no random bytes\n";

	if (n > INT_MAX || RAND_bytes(p, (int)n) != 1) {
		ssize_t put = write(STDERR_FILENO, text, sizeof(text) - 1);

		(void)put; /* there is nowhere left to complain */
		abort();
	}
}

void
rnd_bytes(void *p, size_t n)
{
	if (n > sizeof(rnd_pool)) {
		rnd_draw(p, n);
		return;
	}
	if (n > rnd_left) {
		rnd_draw(rnd_pool, sizeof(rnd_pool));
		rnd_left = sizeof(rnd_pool);
	}
	rnd_left -= n;
	if (n > 0)
		memcpy(p, rnd_pool + rnd_left, n);
	mem_wipe(rnd_pool + rnd_left, n); /* they may become a key: no second copy stays */
}

uint64_t
rnd_u64(void)
{
	uint64_t n;

	rnd_bytes(&n, sizeof(n));
	return n;
}

uint64_t
rnd_below(uint64_t n)
{
	uint64_t skip = -n % n; /* 2^64 mod n: so many values would favour the small results */
	uint64_t r;

	do
		r = rnd_u64();
	while (r < skip);
	return r % n;
}
