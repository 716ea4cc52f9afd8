/*
 * hiredis on the libevent loop.  Its own adapter makes its read event anew after each read; here it
 * persists, and the write event exists only while there is something to write.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "store/redis_internal.h"

struct redis_io {
	redisAsyncContext *context;
	struct event *reading;
	struct event *writing;
};

static void
redis_io_ev_read(evutil_socket_t fd, short what, void *arg)
{
	struct redis_io *io = arg;

	(void)fd;
	(void)what;
	redisAsyncHandleRead(io->context);
}

static void
redis_io_ev_write(evutil_socket_t fd, short what, void *arg)
{
	struct redis_io *io = arg;

	(void)fd;
	(void)what;
	redisAsyncHandleWrite(io->context);
}

static void
redis_io_add_read(void *arg)
{
	struct redis_io *io = arg;

	if (!event_pending(io->reading, EV_READ, NULL))
		event_add(io->reading, NULL);
}

static void
redis_io_del_read(void *arg)
{
	struct redis_io *io = arg;

	event_del(io->reading);
}

static void
redis_io_add_write(void *arg)
{
	struct redis_io *io = arg;

	if (!event_pending(io->writing, EV_WRITE, NULL))
		event_add(io->writing, NULL);
}

static void
redis_io_del_write(void *arg)
{
	struct redis_io *io = arg;

	event_del(io->writing);
}

static void
redis_io_cleanup(void *arg)
{
	struct redis_io *io = arg;

	event_free(io->reading);
	event_free(io->writing);
	free(io);
}

int
redis_io_attach(redisAsyncContext *context, struct event_base *base)
{
	struct redis_io *io = xcalloc(1, sizeof *io);
	int fd = context->c.fd;

	io->context = context;
	io->reading = event_new(base, fd, EV_READ | EV_PERSIST, redis_io_ev_read, io);
	io->writing = event_new(base, fd, EV_WRITE, redis_io_ev_write, io);
	if (io->reading == NULL || io->writing == NULL) {
		if (io->reading != NULL)
			event_free(io->reading);
		free(io);
		return -1;
	}
	context->ev.data = io;
	context->ev.addRead = redis_io_add_read;
	context->ev.delRead = redis_io_del_read;
	context->ev.addWrite = redis_io_add_write;
	context->ev.delWrite = redis_io_del_write;
	context->ev.cleanup = redis_io_cleanup;
	return 0;
}
