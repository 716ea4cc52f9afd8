/* The process's file descriptors, shared out between callers and endpoints. */
#ifndef SERVER_FILES_H
#define SERVER_FILES_H

#include <stddef.h>

struct files {
	size_t inbound;  /* connections to the API */
	size_t outbound; /* connections to endpoints, in use and pooled */
};

/* What the limit of open files, raised as far as it goes, allows of what is wanted; says so when it
 * is less. */
void files_share(struct files *files, size_t connections, size_t deliveries, size_t pooled);

#endif
