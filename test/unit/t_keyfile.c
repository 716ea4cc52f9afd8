/* base/keyfile, base/fds: what is read as a key, and what the first descriptors are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fds.h"
#include "base/keyfile.h"

static char dir[] = "/tmp/t_keyfile.XXXXXX";
static char path[64];

static int
setup(void **state)
{
	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/key", dir);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	return rmdir(dir);
}

static void
write_file(const char *bytes, size_t n)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n, file), n);
	fclose(file);
}

static void
test_files(void **state)
{
	struct keyfile key;

	(void)state;
	assert_string_equal(keyfile_read(&key, path, 8), "No such file or directory");
	write_file("a\0\n", 3);
	assert_null(keyfile_read(&key, path, 8));
	assert_int_equal(key.len, 3);
	assert_memory_equal(key.bytes, "a\0\n", 3);
	keyfile_clear(&key);
	assert_null(keyfile_read(&key, path, 3));
	keyfile_clear(&key);
	assert_string_equal(keyfile_read(&key, path, 2), "the file is too long for a key");
	write_file("", 0);
	assert_null(keyfile_read(&key, path, 8));
	assert_int_equal(key.len, 0);
	keyfile_clear(&key);
	keyfile_clear(&key);
	unlink(path);
}

/* Nothing that could keep the reader waiting, or has no end. */
static void
test_not_regular(void **state)
{
	static const char *const others[] = {"/dev/zero", "/dev/null", "/"};
	struct keyfile key;

	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_string_equal(keyfile_read(&key, others[i], 8), "is not a regular file");
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_string_equal(keyfile_read(&key, path, 8), "is not a regular file");
	unlink(path);
}

/* In a child: the descriptors that the bits name are closed before. */
static int
child_without(int bits)
{
	struct stat null, is;
	int fd;

	for (fd = 0; fd <= 2; fd++) {
		if (bits >> fd & 1)
			close(fd);
	}
	fds_open_standard();
	if (stat("/dev/null", &null) != 0)
		return 1;
	for (fd = 0; fd <= 2; fd++) {
		if (fstat(fd, &is) != 0)
			return 2;
		if ((bits >> fd & 1) && is.st_rdev != null.st_rdev)
			return 3;
	}
	return fcntl(3, F_GETFD) < 0 ? 0 : 4;
}

static void
test_closed_descriptors(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	for (int bits = 0; bits < 8; bits++) {
		pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			for (int fd = 3; fd < 1024; fd++)
				close(fd);
			_exit(child_without(bits));
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_not_regular),
	    cmocka_unit_test(test_closed_descriptors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
