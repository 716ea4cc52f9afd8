/* What the service manager is told: the protocol of sd_notify(3), without its library. */
#include "server/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct notify {
	int fd;
	struct event *watchdog; /* NULL when none is wanted */
	bool ready;             /* said so, and not that it stops */
};

static void
notify_say(const struct notify *notify, const char *lines)
{
	if (notify != NULL)
		send(notify->fd, lines, strlen(lines), MSG_NOSIGNAL);
}

static int
notify_connect(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	int fd, error;

	if (n < 2 || n > sizeof addr.sun_path || (path[0] != '/' && path[0] != '@')) {
		errno = EINVAL;
		return -1;
	}
	memcpy(addr.sun_path, path, n);
	if (path[0] == '@')
		addr.sun_path[0] = '\0'; /* an abstract name (unix(7)) */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&addr,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

static void
notify_ev_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	notify_say(arg, "WATCHDOG=1");
}

/* Twice as often as it has to be (sd_watchdog_enabled(3)). */
static void
notify_feed(struct notify *notify, struct event_base *base)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	long long half = usec == NULL ? 0 : strtoll(usec, NULL, 10) / 2;
	struct timeval every = {half / 1000000, half % 1000000};

	if (half <= 0 || (pid != NULL && strtoll(pid, NULL, 10) != getpid()))
		return;
	notify->watchdog = event_new(base, -1, EV_PERSIST, notify_ev_watchdog, notify);
	event_add(notify->watchdog, &every);
}

struct notify *
notify_new(struct event_base *base)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct notify *notify = NULL;
	int fd;

	if (path != NULL && (fd = notify_connect(path)) >= 0) {
		notify = xcalloc(1, sizeof *notify);
		notify->fd = fd;
		notify_feed(notify, base);
	} else if (path != NULL) {
		log_begin(LOG_WARN, "the service manager cannot be told anything");
		log_str("socket", path);
		log_str("error", strerror(errno));
		log_end();
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return notify;
}

void
notify_ready(struct notify *notify)
{
	if (notify == NULL)
		return;
	notify->ready = true;
	notify_say(notify, "READY=1\nSTATUS=serving");
}

void
notify_waiting(const struct notify *notify)
{
	notify_say(notify, "STATUS=waiting for Redis");
}

void
notify_stopping(struct notify *notify)
{
	if (notify == NULL)
		return;
	notify->ready = false;
	notify_say(notify, "STOPPING=1\nSTATUS=draining");
}

void
notify_reloading(const struct notify *notify)
{
	struct buf lines = {0};

	if (notify == NULL || !notify->ready)
		return;
	/* the time is what Type=notify-reload wants, in microseconds */
	buf_printf(&lines, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_mono_us());
	notify_say(notify, buf_str(&lines));
	buf_clear(&lines);
}

void
notify_reloaded(const struct notify *notify)
{
	if (notify != NULL && notify->ready)
		notify_say(notify, "READY=1");
}

void
notify_free(struct notify *notify)
{
	if (notify == NULL)
		return;
	if (notify->watchdog != NULL)
		event_free(notify->watchdog);
	close(notify->fd);
	free(notify);
}
