/* Memory: allocation that dies on exhaustion, and arenas freed in one go. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/*
 * The x family never returns NULL: when memory is exhausted it writes one line
 * to stderr and aborts.  A delivery server that cannot allocate cannot keep a
 * promise either; its leases run out and another instance takes over.
 */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t size);
void *xreallocarray(void *p, size_t n, size_t size); /* dies on overflow too */
void *xmemdup(const void *p, size_t n);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n); /* n bytes (they may hold NUL), then a NUL */

/* Overwrites n bytes in a way the compiler keeps, for secrets. */
void mem_wipe(void *p, size_t n);

/* An arena gives memory that lives until arena_clear(); zero-initialise it. */
struct arena {
	struct arena_chunk *chunks;
	char *at; /* free space in the newest chunk: at .. end */
	char *end;
};

void *arena_alloc(struct arena *arena, size_t size); /* aligned, zeroed */
void *arena_bytes(struct arena *arena, size_t size); /* unaligned, not zeroed */
char *arena_strndup(struct arena *arena, const char *s, size_t n);
void arena_clear(struct arena *arena); /* frees all of it; the arena may be used again */
void arena_wipe(struct arena *arena);  /* overwrites what was given out first; then the same */

#endif
