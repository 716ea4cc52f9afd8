/* server/libevent_log: what libevent warns of is a record of our log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "server/libevent_log.h"

/* libevent warns of a loop within the loop. */
static void
run_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	assert_int_equal(event_base_loop(arg, 0), -1);
}

static void
test_warning(void **state)
{
	struct event_base *base = event_base_new();
	int fds[2], saved = dup(STDERR_FILENO);
	char text[1024] = "";

	(void)state;
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	log_setup(LOG_WARN, LOG_LOGFMT);
	libevent_log_setup();
	event_base_once(base, -1, EV_TIMEOUT, run_again, base, NULL);
	event_base_dispatch(base);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	assert_true(read(fds[0], text, sizeof text - 1) > 0);
	close(fds[0]);
	event_base_free(base);
	assert_non_null(strstr(text, " level=warn msg=libevent reason=\"event_base_loop: "));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_warning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
