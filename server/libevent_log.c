/* What libevent says goes into our log. */
#include "server/libevent_log.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/log.h"

static void
libevent_log_on_message(int severity, const char *msg)
{
	static const enum log_level levels[] = {LOG_DEBUG, LOG_DEBUG, LOG_WARN, LOG_ERROR};

	if (severity < 0 || severity > 3)
		severity = 3;
	if (!log_on(levels[severity]))
		return;
	log_begin(levels[severity], "libevent");
	log_str("reason", msg);
	log_end();
}

static void
libevent_log_on_fatal(int err)
{
	log_msg(LOG_ERROR, "libevent cannot go on (%d)", err);
	log_flush();
	abort();
}

void
libevent_log_setup(void)
{
	event_set_log_callback(libevent_log_on_message);
	event_set_fatal_callback(libevent_log_on_fatal);
}
