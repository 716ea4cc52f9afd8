/*
 * hiredis on the libevent loop.  Its own adapter makes its read event anew after each read; here it
 * persists.  And it waits for the socket to be writable before each write, which it nearly always
 * is: here what a turn of the loop wants to send goes out at its end, and only what did not fit
 * waits.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "store/redis_internal.h"

struct redis_io {
	redisAsyncContext *context;
	struct event *reading;
	struct event *writing; /* while not all could be written; and for the connect */
	struct event *flush;   /* active when there is something to write */
	bool flushing; /* in redisAsyncHandleWrite(), which asks for more when not all went */
};

static void
redis_io_ev_read(evutil_socket_t fd, short what, void *arg)
{
	struct redis_io *io = arg;

	(void)fd;
	(void)what;
	redisAsyncHandleRead(io->context);
}

/* For both events.  The context, and this with it, may be gone when redisAsyncHandleWrite()
 * returns.
 */
static void
redis_io_ev_write(evutil_socket_t fd, short what, void *arg)
{
	struct redis_io *io = arg;

	(void)fd;
	(void)what;
	io->flushing = true;
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

	if (event_pending(io->writing, EV_WRITE, NULL))
		return;
	if (io->flushing || (io->context->c.flags & REDIS_CONNECTED) == 0)
		event_add(io->writing, NULL);
	else
		event_active(io->flush, EV_TIMEOUT, 0);
	io->flushing = false;
}

static void
redis_io_del_write(void *arg)
{
	struct redis_io *io = arg;

	event_del(io->writing);
	io->flushing = false;
}

static void
redis_io_cleanup(void *arg)
{
	struct redis_io *io = arg;

	event_free(io->reading);
	event_free(io->writing);
	event_free(io->flush);
	free(io);
}

void
redis_io_attach(redisAsyncContext *context, struct event_base *base)
{
	struct redis_io *io = xcalloc(1, sizeof *io);
	int fd = context->c.fd;

	io->context = context;
	io->reading = event_new(base, fd, EV_READ | EV_PERSIST, redis_io_ev_read, io);
	io->writing = event_new(base, fd, EV_WRITE, redis_io_ev_write, io);
	io->flush = evtimer_new(base, redis_io_ev_write, io);
	if (io->reading == NULL || io->writing == NULL || io->flush == NULL)
		abort(); /* out of memory, as in base/mem.c */
	context->ev.data = io;
	context->ev.addRead = redis_io_add_read;
	context->ev.delRead = redis_io_del_read;
	context->ev.addWrite = redis_io_add_write;
	context->ev.delWrite = redis_io_del_write;
	context->ev.cleanup = redis_io_cleanup;
}
