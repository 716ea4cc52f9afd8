/* Random bytes from OpenSSL's generator, drawn in blocks. */
#ifndef BASE_RND_H
#define BASE_RND_H

#include <stddef.h>
#include <stdint.h>

void rnd_bytes(void *p, size_t n); /* unpredictable, fit for keys; dies if there are none */
uint64_t rnd_u64(void);
uint64_t rnd_below(uint64_t n); /* 0 .. n-1, unbiased; n > 0 */

#endif
