/* How many connections an endpoint takes, as its answers tell, and rests when it refuses them. */
#include "deliver/concurrency.h"

void
concurrency_init(struct concurrency *concurrency, size_t first, size_t least, size_t most)
{
	*concurrency = (struct concurrency){.least = least, .most = most, .cut_ms = INT64_MIN};
	concurrency->cap = first < least ? least : first > most ? most : first;
}

void
concurrency_answered(struct concurrency *concurrency, bool success)
{
	concurrency->rest_ms = 0;
	if (success && concurrency->cap < concurrency->most)
		concurrency->cap++;
}

void
concurrency_halve(struct concurrency *concurrency)
{
	size_t half = concurrency->cap / 2;

	concurrency->cap = half < concurrency->least ? concurrency->least : half;
}

void
concurrency_halve_once(struct concurrency *concurrency, int64_t started_ms, int64_t now_ms)
{
	if (started_ms < concurrency->cut_ms)
		return;
	concurrency->cut_ms = now_ms;
	concurrency_halve(concurrency);
}

int64_t
concurrency_refused(struct concurrency *concurrency)
{
	int64_t rest_ms = concurrency->rest_ms == 0 ? 1 : 2 * concurrency->rest_ms;

	concurrency->rest_ms =
	    rest_ms < CONCURRENCY_REST_MAX_MS ? rest_ms : CONCURRENCY_REST_MAX_MS;
	concurrency_halve(concurrency);
	return concurrency->rest_ms;
}
