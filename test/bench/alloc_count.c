/*
 * Counts what a program allocates, for LD_PRELOAD: calls and bytes, in the file that the
 * environment variable BENCH_ALLOC_FILE names, where the benchmark reads them while the program
 * runs.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct alloc_count {
	uint64_t calls;
	uint64_t bytes;
};

/* glibc's own, under the names it keeps for this purpose. */
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);

static struct alloc_count alloc_count_early; /* until the file is there */
static struct alloc_count *alloc_count_now = &alloc_count_early;

static void
alloc_count_add(size_t n)
{
	__atomic_fetch_add(&alloc_count_now->calls, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&alloc_count_now->bytes, n, __ATOMIC_RELAXED);
}

__attribute__((constructor)) static void
alloc_count_open(void)
{
	const char *path = getenv("BENCH_ALLOC_FILE");
	int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *map;

	if (fd < 0)
		return;
	map = mmap(NULL, sizeof(struct alloc_count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map != MAP_FAILED)
		alloc_count_now = map;
	close(fd);
}

void *
malloc(size_t n)
{
	alloc_count_add(n);
	return __libc_malloc(n);
}

void *
calloc(size_t n, size_t size)
{
	alloc_count_add(n * size);
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t n)
{
	alloc_count_add(n);
	return __libc_realloc(p, n);
}
