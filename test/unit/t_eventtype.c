/* Event types and subscriptions: validity at the limits, and matching. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "proto/eventtype.h"

/* Judges a copy without a NUL, so that a read beyond n is caught by the sanitizer. */
static bool
t_judge(bool (*valid)(const char *, size_t), const char *s, size_t n)
{
	char *copy = malloc(n > 0 ? n : 1);
	bool answer;

	memcpy(copy, s, n);
	answer = valid(copy, n);
	free(copy);
	return answer;
}

static bool
t_type(const char *s)
{
	return t_judge(eventtype_valid, s, strlen(s));
}

static bool
t_subscription(const char *s)
{
	return t_judge(subscription_valid, s, strlen(s));
}

static void
t_types(void **state)
{
	static const char *const good[] = {
	    "a", "policy", "policy.issue", "A-1._x.-", "0", "-", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p"};
	static const char *const bad[] = {"", ".", "..", ".a", "a.", "a..b", "a b", "a.*", "*",
	    "a*", "a/b", "a:b", "p\xc3\xb6licy", "a\n", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_true(t_type(good[i]));
		assert_true(t_subscription(good[i]));
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(t_type(bad[i]));
	assert_false(t_judge(eventtype_valid, "a\0b", 3));
}

static void
t_type_bytes(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		char text[3] = {'a', (char)c, 'b'};
		bool good = c != 0 && strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					     "0123456789_-.",
					  c) != NULL;

		assert_int_equal(t_judge(eventtype_valid, text, 3), good);
		assert_int_equal(t_judge(subscription_valid, text, 3), good);
	}
}

static void
t_lengths(void **state)
{
	char text[EVENTTYPE_MAX + 2];

	(void)state;
	memset(text, 'x', sizeof text);
	assert_true(t_judge(eventtype_valid, text, EVENTTYPE_MAX));
	assert_false(t_judge(eventtype_valid, text, EVENTTYPE_MAX + 1));
	assert_true(t_judge(subscription_valid, text, EVENTTYPE_MAX));
	assert_false(t_judge(subscription_valid, text, EVENTTYPE_MAX + 1));
	text[EVENTTYPE_MAX - 2] = '.';
	text[EVENTTYPE_MAX - 1] = '*';
	assert_true(t_judge(subscription_valid, text, EVENTTYPE_MAX));
	text[EVENTTYPE_MAX - 2] = 'x';
	text[EVENTTYPE_MAX - 1] = '.';
	text[EVENTTYPE_MAX] = '*';
	assert_false(t_judge(subscription_valid, text, EVENTTYPE_MAX + 1));
}

static void
t_subscriptions(void **state)
{
	static const char *const good[] = {
	    "*", "policy.*", "policy.issue.*", "-.*", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.*"};
	static const char *const bad[] = {"", ".*", "**", "*.*", "*.a", "a.*.b", "a.**", "a*",
	    "a..*", "a.* ", "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.*"};

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(t_subscription(good[i]));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(t_subscription(bad[i]));
}

static void
t_matches(void **state)
{
	static const struct {
		const char *pattern;
		const char *type;
		bool match;
	} cases[] = {
	    {"*", "a", true},
	    {"*", "a.b.c", true},
	    {"policy", "policy", true},
	    {"policy", "Policy", false},
	    {"policy", "policy.issue", false},
	    {"policy", "polic", false},
	    {"policy.issue", "policy", false},
	    {"policy.*", "policy.issue", true},
	    {"policy.*", "policy.issue.done", true},
	    {"policy.*", "policy", false},
	    {"policy.*", "policy.", false},
	    {"policy.*", "policyx.issue", false},
	    {"policy.*", "policy-x", false},
	    {"policy.*", "POLICY.issue", false},
	    {"policy.*", "p", false},
	    {"policy.issue.*", "policy.issue", false},
	    {"policy.issue.*", "policy.issue.done", true},
	    {"a", "b", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		assert_int_equal(
		    subscription_matches(cases[i].pattern, cases[i].type), cases[i].match);
}

/* Against a second way to say it: split into segments and compare those. */
static bool
t_slow_match(const char *pattern, const char *type)
{
	for (;;) {
		size_t n = strcspn(pattern, "."), m = strcspn(type, ".");

		if (n == 1 && *pattern == '*')
			return true;
		if (n != m || strncmp(pattern, type, n) != 0)
			return false;
		if (pattern[n] == '\0' || type[m] == '\0')
			return pattern[n] == type[m];
		pattern += n + 1;
		type += m + 1;
	}
}

static void
t_random_texts(void **state)
{
	char type[16], pattern[16];
	int matches = 0;

	(void)state;
	srandom(1);
	for (int i = 0; i < 300000; i++) {
		size_t n = (size_t)random() % 7, m = (size_t)random() % 7;

		for (size_t k = 0; k < 7; k++) {
			type[k] = "ab.*"[random() % 4];
			pattern[k] = "ab.*"[random() % 4];
		}
		type[n] = pattern[m] = '\0';
		if (t_type(type) && t_subscription(pattern)) {
			assert_int_equal(
			    subscription_matches(pattern, type), t_slow_match(pattern, type));
			matches += subscription_matches(pattern, type);
		}
	}
	assert_true(matches > 100);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(t_types),
	    cmocka_unit_test(t_type_bytes),
	    cmocka_unit_test(t_lengths),
	    cmocka_unit_test(t_subscriptions),
	    cmocka_unit_test(t_matches),
	    cmocka_unit_test(t_random_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
