/*
 * The process's file descriptors, shared out so that neither callers nor endpoints can take the
 * other's: half of them at most for endpoints, the rest for the API.
 */
#include "server/files.h"

#include <sys/resource.h>

#include "base/log.h"

#define FILES_MIN 128
#define FILES_SPARE 64 /* for Redis, logs, listeners, name servers, and probes when all is full */

static size_t
files_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return FILES_MIN;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
		getrlimit(RLIMIT_NOFILE, &limit);
	return limit.rlim_cur > FILES_MIN ? (size_t)limit.rlim_cur : FILES_MIN;
}

void
files_share(struct files *files, size_t connections, size_t deliveries, size_t pooled)
{
	size_t limit = files_limit();
	size_t both = limit - FILES_SPARE;

	files->outbound = deliveries + pooled < both / 2 ? deliveries + pooled : both / 2;
	files->inbound =
	    connections < both - files->outbound ? connections : both - files->outbound;
	if (files->inbound == connections && files->outbound >= deliveries)
		return;
	log_msg(LOG_WARN,
	    "the limit of open files (%zu) allows %zu connections to the API and %zu to endpoints",
	    limit, files->inbound, files->outbound);
}
