/* Memory: allocation that dies on exhaustion, and arenas freed in one go. */
#include "base/mem.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MEM_CHUNK 4096u /* bytes of an arena's usual chunk, its head included */

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MEM_CHECKED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(MEM_CHECKED)
#define MEM_SPARES 0u /* whoever uses what was cleared is to be found out */
#else
#define MEM_SPARES 64u
#endif

struct arena_chunk {
	struct arena_chunk *next;
	size_t size; /* of bytes */
	alignas(max_align_t) char bytes[];
};

#define MEM_USUAL (MEM_CHUNK - sizeof(struct arena_chunk))

static _Noreturn void
mem_die(void)
{
	static const char text[] = "evhookd: out of memory\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)n; /* there is nowhere left to complain */
	abort();
}

void *
xmalloc(size_t size)
{
	void *p = malloc(size > 0 ? size : 1);

	if (p == NULL)
		mem_die();
	return p;
}

void *
xcalloc(size_t n, size_t size)
{
	void *p = n > 0 && size > 0 ? calloc(n, size) : calloc(1, 1);

	if (p == NULL)
		mem_die();
	return p;
}

void *
xrealloc(void *p, size_t size)
{
	void *grown = realloc(p, size > 0 ? size : 1);

	if (grown == NULL)
		mem_die();
	return grown;
}

void *
xreallocarray(void *p, size_t n, size_t size)
{
	if (n > 0 && size > SIZE_MAX / n)
		mem_die();
	return xrealloc(p, n * size);
}

void *
xmemdup(const void *p, size_t n)
{
	void *copy = xmalloc(n);

	if (n > 0)
		memcpy(copy, p, n);
	return copy;
}

char *
xstrdup(const char *s)
{
	return xmemdup(s, strlen(s) + 1);
}

char *
xstrndup(const char *s, size_t n)
{
	char *copy;

	if (n == SIZE_MAX)
		mem_die();
	copy = xmalloc(n + 1);
	if (n > 0)
		memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

void
mem_wipe(void *p, size_t n)
{
	if (n > 0)
		explicit_bzero(p, n);
}

/* Every request has an arena or two, for a moment: usual chunks go round instead of to malloc(). */
static struct arena_chunk *arena_spare;
static size_t arena_spares;

static struct arena_chunk *
arena_chunk_new(size_t size)
{
	struct arena_chunk *chunk;

	if (size == MEM_USUAL && arena_spare != NULL) {
		chunk = arena_spare;
		arena_spare = chunk->next;
		arena_spares--;
		return chunk;
	}
	if (size > SIZE_MAX - sizeof(struct arena_chunk))
		mem_die();
	chunk = xmalloc(sizeof(struct arena_chunk) + size);
	chunk->size = size;
	return chunk;
}

static void
arena_chunk_free(struct arena_chunk *chunk)
{
	if (chunk->size != MEM_USUAL || arena_spares == MEM_SPARES) {
		free(chunk);
		return;
	}
	chunk->next = arena_spare;
	arena_spare = chunk;
	arena_spares++;
}

static void *
arena_take(struct arena *arena, size_t size, size_t align)
{
	size_t left = (size_t)(arena->end - arena->at);
	size_t pad = -(uintptr_t)arena->at & (align - 1);
	struct arena_chunk *chunk;
	char *p;

	if (arena->chunks == NULL || pad > left || size > left - pad) {
		if (arena->chunks != NULL && size > MEM_USUAL / 4) {
			/* One of its own: what is free in the newest chunk stays in use. */
			chunk = arena_chunk_new(size);
			chunk->next = arena->chunks->next;
			arena->chunks->next = chunk;
			return chunk->bytes;
		}
		chunk = arena_chunk_new(size > MEM_USUAL ? size : MEM_USUAL);
		chunk->next = arena->chunks;
		arena->chunks = chunk;
		arena->at = chunk->bytes;
		arena->end = chunk->bytes + (size > MEM_USUAL ? size : MEM_USUAL);
		pad = 0;
	}
	p = arena->at + pad;
	arena->at = p + size;
	return p;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	void *p = arena_take(arena, size, alignof(max_align_t));

	memset(p, 0, size);
	return p;
}

void *
arena_bytes(struct arena *arena, size_t size)
{
	return arena_take(arena, size, 1);
}

char *
arena_strndup(struct arena *arena, const char *s, size_t n)
{
	char *copy;

	if (n == SIZE_MAX)
		mem_die();
	copy = arena_bytes(arena, n + 1);
	if (n > 0)
		memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

void
arena_clear(struct arena *arena)
{
	struct arena_chunk *chunk;

	while ((chunk = arena->chunks) != NULL) {
		arena->chunks = chunk->next;
		arena_chunk_free(chunk);
	}
	arena->at = NULL;
	arena->end = NULL;
}

void
arena_wipe(struct arena *arena)
{
	for (struct arena_chunk *chunk = arena->chunks; chunk != NULL; chunk = chunk->next)
		mem_wipe(chunk->bytes, chunk->size);
	arena_clear(arena);
}
