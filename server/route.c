/* The router: which handler answers which method and path. */
#include "server/route.h"

#include <string.h>

#define ROUTE_SEGMENTS 16 /* longer paths match nothing */

struct route_segment {
	const char *s;
	size_t n;
};

struct route_path {
	struct route_segment segments[ROUTE_SEGMENTS];
	size_t n;
};

static unsigned
route_hex(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	return (unsigned)((c | 0x20) - 'a') + 10;
}

/* wire.c has refused targets in which a % is not followed by two hex digits. */
static struct route_segment
route_decode(struct call *call, const char *s, size_t n)
{
	struct route_segment segment = {s, n};
	char *out;
	size_t i, len = 0;

	if (memchr(s, '%', n) == NULL)
		return segment;
	out = arena_bytes(&call->arena, n);
	for (i = 0; i < n; i++) {
		if (s[i] == '%' && n - i > 2) {
			out[len++] = (char)(route_hex(s[i + 1]) << 4 | route_hex(s[i + 2]));
			i += 2;
		} else {
			out[len++] = s[i];
		}
	}
	segment.s = out;
	segment.n = len;
	return segment;
}

/* Takes the raw path apart; one slash at the end is left out.  False when it is too long. */
static bool
route_split(struct call *call, struct route_path *path)
{
	const char *s = call->path, *end = s + call->path_len;

	path->n = 0;
	while (s < end && *s == '/') {
		const char *slash = ++s < end ? memchr(s, '/', (size_t)(end - s)) : NULL;
		const char *stop = slash != NULL ? slash : end;

		if (s == end)
			break;
		if (path->n == ROUTE_SEGMENTS)
			return false;
		path->segments[path->n++] = route_decode(call, s, (size_t)(stop - s));
		s = stop;
	}
	return true;
}

/* The next segment of a pattern; false at its end. */
static bool
route_next(const char **pattern, struct route_segment *segment)
{
	if (**pattern != '/')
		return false;
	segment->s = ++*pattern;
	segment->n = strcspn(segment->s, "/");
	*pattern += segment->n;
	return segment->n > 0;
}

/*
 * How well the pattern fits: 0 for not at all, else a bit for each segment, the first one
 * highest, 1 where it is literal.  So the greatest is the one that is literal earliest.
 */
static unsigned
route_score(const char *pattern, const struct route_path *path)
{
	struct route_segment want;
	unsigned score = 1;
	size_t i;

	for (i = 0; route_next(&pattern, &want); i++) {
		const struct route_segment *is = &path->segments[i];

		if (i == path->n)
			return 0;
		if (want.s[0] == '{') {
			score <<= 1;
			continue;
		}
		if (is->n != want.n || memcmp(is->s, want.s, want.n) != 0)
			return 0;
		score = score << 1 | 1;
	}
	return i == path->n ? score : 0;
}

static const struct route *
route_best(const struct route_path *path)
{
	const struct route *route, *best = NULL;
	unsigned score, best_score = 0;

	for (route = routes; route->method != NULL; route++) {
		score = route_score(route->pattern, path);
		if (score > best_score) {
			best = route;
			best_score = score;
		}
	}
	return best;
}

/* The Allow of a pattern, or of everything (NULL). */
static void
route_allow(struct call *call, const char *pattern)
{
	static const char *const names[] = {"GET", "POST", "PATCH", "DELETE"};
	const struct route *route;
	struct buf allow = {0};
	size_t i;

	for (i = 0; i < sizeof names / sizeof names[0]; i++) {
		for (route = routes; route->method != NULL; route++) {
			if (strcmp(route->method, names[i]) != 0 ||
			    (pattern != NULL && strcmp(route->pattern, pattern) != 0))
				continue;
			buf_adds(&allow, i == 0 ? "GET, HEAD, " : names[i]);
			if (i > 0)
				buf_adds(&allow, ", ");
			break;
		}
	}
	buf_adds(&allow, "OPTIONS");
	call_set_header(call, "Allow", buf_str(&allow));
	buf_clear(&allow);
}

static bool
route_is_method(const struct route *route, const struct call *call)
{
	return strcmp(route->method, call->head ? "GET" : call->method_name) == 0;
}

bool
route_match(struct call *call)
{
	struct route_path path;
	const struct route *best, *route;

	if (call->path_len == 1 && call->path[0] == '*') { /* OPTIONS *: wire.c saw to that */
		route_allow(call, NULL);
		call_reply_empty(call, 204);
		return false;
	}
	best = route_split(call, &path) ? route_best(&path) : NULL;
	if (best == NULL) {
		call_problem(call, 404, "there is nothing at this path");
		return false;
	}
	for (route = best; route->method != NULL; route++) {
		if (route_is_method(route, call) && strcmp(route->pattern, best->pattern) == 0) {
			call->route = route;
			return true;
		}
	}
	route_allow(call, best->pattern);
	if (call->method == CALL_OPTIONS)
		call_reply_empty(call, 204);
	else
		call_problem(call, 405, "this path does not have that method");
	return false;
}

bool
route_values(struct call *call)
{
	const char *pattern = call->route->pattern;
	struct route_segment name;
	struct route_path path;
	size_t i, locators = 0;

	if (!route_split(call, &path))
		return false; /* not after route_match() */
	for (i = 0; i < path.n && route_next(&pattern, &name); i++) {
		const struct route_segment *is = &path.segments[i];

		if (name.n == 8 && memcmp(name.s, "{tenant}", 8) == 0) {
			if (uuid_parse(&call->tenant, is->s, is->n) != 0) {
				call_problem(call, 400, "the tenant in the path is not a uuid");
				return false;
			}
		} else if (name.s[0] == '{' && locators < CALL_MAX_LOCATORS) {
			if (ulid_parse(&call->locator[locators], is->s, is->n) != 0) {
				call_problem(
				    call, 400, "segment %zu of the path is not a ulid", i + 1);
				return false;
			}
			locators++;
		}
	}
	return true;
}
