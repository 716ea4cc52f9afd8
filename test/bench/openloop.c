/*
 * Open-loop latency: publishes events at scheduled times, whatever happens to those before, and is
 * the receiver too.  The time of an event is that from its scheduled sending to its complete
 * receipt, so waiting for a free connection counts.  Every time is kept: the percentiles are exact.
 * Usage: openloop TARGET-PORT PATH RECEIVER-PORT RATE SECONDS; prints JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define OPENLOOP_SENDERS 64
#define OPENLOOP_RECEIVERS 1024
#define OPENLOOP_IN 8192
#define OPENLOOP_DRAIN_NS INT64_C(10000000000)
#define OPENLOOP_WARM 200 /* events sent before the measured ones, not counted */
#define OPENLOOP_PAD 450  /* makes the body about 500 bytes */
#define OPENLOOP_TAG "\"seq\":\"n"

/* A connection: to the target, or from it when it was accepted. */
struct conn {
	int fd; /* -1: free */
	bool sender;
	bool busy; /* a sender that waits for its answer */
	size_t n;
	char in[OPENLOOP_IN];
};

struct openloop {
	int epoll, timer, listener;
	const char *path;
	uint16_t target;
	int64_t start, interval; /* ns */
	size_t total, due, sent, answered, refused, received, repeated;
	int64_t *latency; /* ns by event, 0 while on the way */
	char pad[OPENLOOP_PAD + 1];
	struct conn conns[OPENLOOP_SENDERS + OPENLOOP_RECEIVERS];
};

static int64_t
openloop_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void
openloop_die(const char *what)
{
	fprintf(stderr, "openloop: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t
openloop_scheduled(const struct openloop *loop, size_t i)
{
	return loop->start + (int64_t)i * loop->interval;
}

static void
openloop_watch(struct openloop *loop, int fd, void *what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
	int one = 1;

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
		openloop_die("epoll_ctl");
}

static struct sockaddr_in
openloop_address(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return address;
}

static void
openloop_connect(struct openloop *loop, struct conn *conn)
{
	struct sockaddr_in address = openloop_address(loop->target);

	conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (conn->fd < 0 || connect(conn->fd, (struct sockaddr *)&address, sizeof address) != 0)
		openloop_die("cannot connect to the target");
	conn->sender = true;
	conn->busy = false;
	conn->n = 0;
	openloop_watch(loop, conn->fd, conn);
}

static void
openloop_listen(struct openloop *loop, uint16_t port)
{
	struct sockaddr_in address = openloop_address(port);
	int one = 1;

	loop->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(loop->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(loop->listener, (struct sockaddr *)&address, sizeof address) != 0 ||
	    listen(loop->listener, 512) != 0)
		openloop_die("cannot listen");
	openloop_watch(loop, loop->listener, &loop->listener);
}

static void
openloop_accept(struct openloop *loop)
{
	int fd;

	while ((fd = accept(loop->listener, NULL, NULL)) >= 0) {
		struct conn *conn = loop->conns + OPENLOOP_SENDERS;
		struct conn *end = conn + OPENLOOP_RECEIVERS;

		while (conn < end && conn->fd >= 0)
			conn++;
		if (conn == end) {
			close(fd);
			continue;
		}
		conn->fd = fd;
		conn->n = 0;
		openloop_watch(loop, fd, conn);
	}
}

/* A message this small always fits into an empty socket buffer. */
static void
openloop_write(int fd, const char *bytes, size_t n)
{
	if (write(fd, bytes, n) != (ssize_t)n)
		openloop_die("a short write");
}

static void
openloop_send(struct openloop *loop, struct conn *conn)
{
	char body[OPENLOOP_PAD + 128], out[sizeof body + 512];
	int n, all;

	n = snprintf(body, sizeof body,
	    "{\"type\":\"policy.issue\",\"data\":{" OPENLOOP_TAG "%zu\",\"pad\":\"%s\"}}",
	    loop->sent, loop->pad);
	all = snprintf(out, sizeof out,
	    "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
	    "Content-Length: %d\r\n\r\n%s",
	    loop->path, n, body);
	loop->sent++;
	conn->busy = true;
	openloop_write(conn->fd, out, (size_t)all);
}

/* Sends what is due, on any connection that is free; the rest waits, and its time runs. */
static void
openloop_send_due(struct openloop *loop)
{
	int64_t now = openloop_now();
	struct conn *conn = loop->conns;

	while (loop->due < loop->total && openloop_scheduled(loop, loop->due) <= now)
		loop->due++;
	while (loop->sent < loop->due) {
		while (conn < loop->conns + OPENLOOP_SENDERS && conn->busy)
			conn++;
		if (conn == loop->conns + OPENLOOP_SENDERS)
			return;
		openloop_send(loop, conn);
	}
}

/* Sets the timer to the next event that is not due yet. */
static void
openloop_arm(struct openloop *loop)
{
	struct itimerspec at = {0};
	int64_t next;

	if (loop->due == loop->total)
		return;
	next = openloop_scheduled(loop, loop->due);
	at.it_value.tv_sec = next / INT64_C(1000000000);
	at.it_value.tv_nsec = next % INT64_C(1000000000);
	timerfd_settime(loop->timer, TFD_TIMER_ABSTIME, &at, NULL);
}

/* The length of the first whole message in there, 0 for none yet. */
static size_t
openloop_message(struct conn *conn)
{
	const char *end, *field;
	size_t head, body = 0;

	conn->in[conn->n] = '\0';
	end = strstr(conn->in, "\r\n\r\n");
	if (end == NULL)
		return 0;
	head = (size_t)(end - conn->in) + 4;
	field = strcasestr(conn->in, "\r\ncontent-length:");
	if (field != NULL && field < end)
		body = strtoul(field + 17, NULL, 10);
	return conn->n >= head + body ? head + body : 0;
}

static void
openloop_receive(struct openloop *loop, struct conn *conn)
{
	static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";
	const char *tag = strstr(conn->in, OPENLOOP_TAG);
	size_t i = tag != NULL ? strtoul(tag + strlen(OPENLOOP_TAG), NULL, 10) : loop->total;

	if (i < loop->total && loop->latency[i] == 0) {
		loop->latency[i] = openloop_now() - openloop_scheduled(loop, i);
		loop->received++;
	} else {
		loop->repeated++;
	}
	openloop_write(conn->fd, answer, sizeof answer - 1);
}

static void
openloop_take(struct openloop *loop, struct conn *conn)
{
	size_t n;

	while ((n = openloop_message(conn)) > 0) {
		if (conn->sender) {
			loop->answered++;
			conn->busy = false;
			if (strncmp(conn->in, "HTTP/1.1 201", 12) != 0)
				loop->refused++;
		} else {
			openloop_receive(loop, conn);
		}
		memmove(conn->in, conn->in + n, conn->n - n);
		conn->n -= n;
	}
}

static void
openloop_read(struct openloop *loop, struct conn *conn)
{
	ssize_t n = read(conn->fd, conn->in + conn->n, sizeof conn->in - 1 - conn->n);

	if (n > 0) {
		conn->n += (size_t)n;
		openloop_take(loop, conn);
	} else if (n == 0 || errno != EAGAIN) {
		close(conn->fd);
		conn->fd = -1;
		if (conn->sender)
			openloop_connect(loop, conn);
	}
}

static void
openloop_run(struct openloop *loop)
{
	int64_t end = openloop_scheduled(loop, loop->total) + OPENLOOP_DRAIN_NS;
	struct epoll_event events[64];

	while (loop->received < loop->total || loop->answered < loop->total) {
		int n = epoll_wait(loop->epoll, events, 64, 1000);

		if (openloop_now() > end)
			return;
		for (int i = 0; i < n; i++) {
			void *what = events[i].data.ptr;
			uint64_t expirations;

			if (what == &loop->listener)
				openloop_accept(loop);
			else if (what != &loop->timer)
				openloop_read(loop, what);
			else if (read(loop->timer, &expirations, sizeof expirations) < 0)
				continue;
		}
		openloop_send_due(loop);
		openloop_arm(loop);
	}
}

static int
openloop_compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double
openloop_ms(const int64_t *sorted, size_t n, double part)
{
	size_t i = (size_t)((double)n * part);

	return n == 0 ? 0 : (double)sorted[i < n ? i : n - 1] / 1e6;
}

static void
openloop_print(const struct openloop *loop)
{
	static const double parts[] = {
	    0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 1};
	size_t warm = loop->total > OPENLOOP_WARM ? OPENLOOP_WARM : 0, n = 0;
	int64_t *sorted = calloc(loop->total, sizeof *sorted);

	if (sorted == NULL)
		openloop_die("memory");
	for (size_t i = warm; i < loop->total; i++)
		if (loop->latency[i] > 0)
			sorted[n++] = loop->latency[i];
	qsort(sorted, n, sizeof *sorted, openloop_compare);
	printf(
	    "{\"sent\": %zu, \"events\": %zu, \"refused\": %zu, \"lost\": %zu, \"repeated\": %zu, "
	    "\"distribution\": [",
	    loop->sent, loop->total - warm, loop->refused, loop->total - loop->received,
	    loop->repeated);
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		printf("%s[%g, %.4f]", i == 0 ? "" : ", ", 100 * parts[i],
		    openloop_ms(sorted, n, parts[i]));
	puts("]}");
	free(sorted);
}

int
main(int argc, char **argv)
{
	static struct openloop loop;
	long rate;

	if (argc != 6 || (rate = strtol(argv[4], NULL, 10)) < 1) {
		fputs("usage: openloop TARGET-PORT PATH RECEIVER-PORT RATE SECONDS\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	loop.target = (uint16_t)strtoul(argv[1], NULL, 10);
	loop.path = argv[2];
	loop.interval = INT64_C(1000000000) / rate;
	loop.total = (size_t)(strtod(argv[5], NULL) * (double)rate) + OPENLOOP_WARM;
	loop.latency = calloc(loop.total, sizeof *loop.latency);
	memset(loop.pad, 'x', OPENLOOP_PAD);
	loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	loop.timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop.latency == NULL || loop.epoll < 0 || loop.timer < 0)
		openloop_die("cannot begin");
	for (size_t i = 0; i < sizeof loop.conns / sizeof loop.conns[0]; i++)
		loop.conns[i].fd = -1;
	openloop_listen(&loop, (uint16_t)strtoul(argv[3], NULL, 10));
	openloop_watch(&loop, loop.timer, &loop.timer);
	for (size_t i = 0; i < OPENLOOP_SENDERS; i++)
		openloop_connect(&loop, &loop.conns[i]);
	loop.start = openloop_now() + loop.interval;
	openloop_arm(&loop);
	openloop_run(&loop);
	openloop_print(&loop);
	free(loop.latency);
	return 0;
}
