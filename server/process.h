/* What the process denies itself and others. */
#ifndef SERVER_PROCESS_H
#define SERVER_PROCESS_H

#include <stdint.h>

/* No core dumps, no reading of its memory by others of the same user; no death by SIGPIPE. */
void process_protect(void);

/* What the kernel says of this process. */
struct process_stats {
	int64_t cpu_us; /* user and system time */
	uint64_t resident_bytes;
	uint64_t virtual_bytes;
	uint64_t open_fds;
	uint64_t max_fds;
};
void process_stats(struct process_stats *stats);

#endif
