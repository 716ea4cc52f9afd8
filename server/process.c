/* What the process denies itself and others. */
#include "server/process.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* LeakSanitizer traces its own process, which one that is not dumpable does not allow. */
#if defined(__SANITIZE_ADDRESS__)
#define PROCESS_TRACED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PROCESS_TRACED 1
#endif
#endif

void
process_protect(void)
{
	static const struct rlimit none = {0, 0};

	/* neither can fail: limits may always be lowered */
	setrlimit(RLIMIT_CORE, &none);
#ifndef PROCESS_TRACED
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	signal(SIGPIPE, SIG_IGN);
}

/* proc(5), /proc/self/statm: in pages, the whole first, then what is resident. */
static void
process_read_memory(struct process_stats *stats)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	unsigned long whole = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (file == NULL)
		return;
	if (fscanf(file, "%lu %lu", &whole, &resident) == 2) {
		stats->virtual_bytes = whole * page;
		stats->resident_bytes = resident * page;
	}
	fclose(file);
}

static void
process_count_fds(struct process_stats *stats)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		stats->open_fds += entry->d_name[0] != '.';
	closedir(dir);
	stats->open_fds -= stats->open_fds > 0; /* the one that we looked with */
}

static int64_t
process_us(const struct timeval *tv)
{
	return (int64_t)tv->tv_sec * 1000000 + tv->tv_usec;
}

void
process_stats(struct process_stats *stats)
{
	struct rlimit fds = {0, 0};
	struct rusage usage;

	*stats = (struct process_stats){0};
	getrusage(RUSAGE_SELF, &usage);
	stats->cpu_us = process_us(&usage.ru_utime) + process_us(&usage.ru_stime);
	getrlimit(RLIMIT_NOFILE, &fds);
	stats->max_fds = fds.rlim_cur;
	process_read_memory(stats);
	process_count_fds(stats);
}
