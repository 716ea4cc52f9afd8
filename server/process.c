/* What the process denies itself and others. */
#include "server/process.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

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
