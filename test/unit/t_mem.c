/* base/mem: what the allocators promise, and arenas of many sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

static void
test_copies(void **state)
{
	char *s = xstrdup("hook");
	char *n = xstrndup("a\0bcd", 3);
	char *m = xmemdup("xyz", 3);
	char *none = xmemdup(NULL, 0);

	(void)state;
	assert_string_equal(s, "hook");
	assert_memory_equal(n, "a\0b\0", 4);
	assert_memory_equal(m, "xyz", 3);
	assert_non_null(none);
	free(s);
	free(n);
	free(m);
	free(none);
}

static void
test_sizes(void **state)
{
	unsigned char *zero = xcalloc(100, 7);
	char *p;
	int i;

	(void)state;
	for (i = 0; i < 700; i++)
		assert_int_equal(zero[i], 0);
	free(zero);
	p = xmalloc(0);
	assert_non_null(p);
	p = xreallocarray(p, 10, 10);
	memset(p, 'x', 100);
	p = xrealloc(p, 0);
	assert_non_null(p);
	free(p);
	p = xcalloc(0, 5);
	assert_non_null(p);
	free(p);
}

static void
test_overflow_dies(void **state)
{
	char said[100] = "";
	int fds[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGABRT, SIG_DFL);
		dup2(fds[1], STDERR_FILENO);
		free(xreallocarray(NULL, SIZE_MAX / 2, 3));
		_exit(0);
	}
	close(fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_true(read(fds[0], said, sizeof(said) - 1) > 0);
	assert_string_equal(said, "evhookd: out of memory\n");
	close(fds[0]);
}

static void
test_wipe(void **state)
{
	char secret[] = "secret";

	(void)state;
	mem_wipe(secret, 3);
	assert_memory_equal(secret, "\0\0\0ret", 7);
	mem_wipe(NULL, 0);
}

static void
test_arena(void **state)
{
	struct arena arena = {0};
	unsigned char *all[400];
	size_t i, k, size;
	int round;

	(void)state;
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 400; i++) {
			size = i * i % 6001;
			all[i] = arena_alloc(&arena, size);
			assert_int_equal((uintptr_t)all[i] % sizeof(void *), 0);
			for (k = 0; k < size; k++)
				assert_int_equal(all[i][k], 0);
			memset(all[i], (int)(i & 255), size);
			arena_bytes(&arena, i % 3);
		}
		for (i = 0; i < 400; i++)
			for (k = 0; k < i * i % 6001; k++)
				assert_int_equal(all[i][k], i & 255);
		arena_clear(&arena);
		assert_null(arena.chunks);
	}
	arena_clear(&arena);
}

static void
test_arena_fills_its_chunk(void **state)
{
	struct arena arena = {0};
	char *a = arena_bytes(&arena, 10);
	char *big = arena_bytes(&arena, 1 << 20);
	char *b = arena_bytes(&arena, 10);
	char *s = arena_strndup(&arena, "a\0bcd", 3);

	(void)state;
	big[(1 << 20) - 1] = 'x';
	assert_ptr_equal(b, a + 10);
	assert_memory_equal(s, "a\0b\0", 4);
	arena_clear(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_copies),
	    cmocka_unit_test(test_sizes),
	    cmocka_unit_test(test_overflow_dies),
	    cmocka_unit_test(test_wipe),
	    cmocka_unit_test(test_arena),
	    cmocka_unit_test(test_arena_fills_its_chunk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
