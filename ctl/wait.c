/* Waiting, until a signal asks for the end. */
#include "ctl/wait.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>

#include "base/clock.h"

static volatile sig_atomic_t wait_signal;

static void
wait_on_signal(int number)
{
	wait_signal = number;
}

void
wait_begin(void)
{
	struct sigaction action = {.sa_handler = wait_on_signal};

	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool
wait_ended(void)
{
	return wait_signal != 0;
}

bool
wait_ms(int64_t ms)
{
	int64_t end = clock_mono_ms() + ms, left;
	sigset_t both, before;

	/* Blocked but within ppoll(): a signal cannot slip in between the look and the wait. */
	sigemptyset(&both);
	sigaddset(&both, SIGINT);
	sigaddset(&both, SIGTERM);
	sigprocmask(SIG_BLOCK, &both, &before);
	while (wait_signal == 0 && (left = end - clock_mono_ms()) > 0) {
		struct timespec ts = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000};

		ppoll(NULL, 0, &ts, &before);
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return wait_signal == 0;
}
