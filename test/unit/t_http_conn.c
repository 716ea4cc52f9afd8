/* Connections over real sockets: deadlines, clients that go, draining, limits. */
#include "test/unit/http_help.h"

#include <errno.h>
#include <poll.h>

#define P "POST /echo HTTP/1.1\r\n" HOST JSON

static bool
has_no_connections(void *arg)
{
	struct http_stats stats;

	(void)arg;
	http_stats(http, &stats);
	return stats.connections == 0;
}

static bool
has_judged(void *arg)
{
	(void)arg;
	return judged > 0;
}

/* Requests that take long to be judged, many in one go: a turn of the loop takes some of them only,
 * and none is forgotten. */
static void
test_slow_judging(void **state)
{
	struct client client;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&client);
	expect(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
	judged = 0;
	for (int i = 0; i < 200; i++)
		client_send(&client,
		    "GET /hello HTTP/1.1\r\n" HOST "X-Takes: 1\r\nX-Refuse: admit\r\n\r\n");
	turn_until(has_judged, NULL);
	assert_in_range(judged, 1, 20);
	for (int i = 0; i < 200; i++)
		expect(&client, "", 401, NULL);
	client_close(&client);
	stop();
}

/* Requests that never become complete, each in another part. */
static void
test_slow_requests(void **state)
{
	static const char *const parts[] = {
	    "",
	    "GET /hel",
	    "GET /hello HTTP/1.1\r\nHo",
	    P "Content-Length: 10\r\n\r\n{",
	    P "Transfer-Encoding: chunked\r\n\r\n2\r\n{",
	    P "Transfer-Encoding: chunked\r\n\r\n0\r\n",
	};
	struct client clients[6];
	struct http_stats stats;
	size_t i;

	(void)state;
	start(10, 100, LONG_MS);
	for (i = 0; i < 6; i++) {
		client_open(&clients[i]);
		client_send(&clients[i], parts[i]);
	}
	for (i = 0; i < 6; i++) {
		if (i > 0)
			expect(&clients[i], "", 408, "problem+json");
		client_wait_end(&clients[i]);
		assert_int_equal(evbuffer_get_length(bufferevent_get_input(clients[i].bev)), 0);
		client_close(&clients[i]);
	}
	turn_until(has_no_connections, NULL);
	http_stats(http, &stats);
	assert_int_equal(stats.connections, 0);
	assert_int_equal(stats.refused[HTTP_REFUSED_SLOW], 5);
	stop();
}

static void
on_drip(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	client_send(arg, "x");
}

/* Bytes that keep coming do not lengthen the time. */
static void
test_dripping_request(void **state)
{
	struct timeval tv = {.tv_usec = 10000};
	struct client client;
	struct event *drip;

	(void)state;
	start(10, 200, LONG_MS);
	client_open(&client);
	expect(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
	client_send(&client, "GET /");
	drip = event_new(base, -1, EV_PERSIST, on_drip, &client);
	event_add(drip, &tv);
	client_wait_end(&client);
	event_free(drip);
	client_close(&client);
	stop();
}

static void
test_idle(void **state)
{
	struct http_stats stats;
	struct client client;

	(void)state;
	start(10, LONG_MS, 50);
	client_open(&client);
	expect(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
	client_wait_end(&client);
	http_stats(http, &stats);
	assert_int_equal(stats.connections, 0);
	assert_int_equal(stats.refused[HTTP_REFUSED_SLOW], 0);
	client_close(&client);
	stop();
}

/* A client that asks for much and does not read it. */
static void
test_stuck_reader(void **state)
{
	struct client client;

	(void)state;
	start(10, 200, LONG_MS);
	client_open(&client);
	expect(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
	client_send(&client, "GET /big HTTP/1.1\r\n" HOST "\r\nGET /big HTTP/1.1\r\n" HOST "\r\n");
	bufferevent_disable(client.bev, EV_READ);
	turn_until(has_no_connections, NULL);
	client_close(&client);
	stop();
}

static bool
is_held(void *arg)
{
	(void)arg;
	return held != NULL;
}

static void
client_reset(struct client *client)
{
	struct linger linger = {1, 0};

	setsockopt(bufferevent_getfd(client->bev), SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	client_close(client);
}

static bool
has_given_up(void *arg)
{
	struct http_stats stats;

	(void)arg;
	http_stats(http, &stats);
	assert_true(stats.unsent_bytes <= MAX_UNSENT);
	return stats.given_up > 0;
}

static void
on_sip(evutil_socket_t fd, short what, void *arg)
{
	char some[2000];

	(void)fd;
	(void)what;
	(void)!recv(
	    bufferevent_getfd(((struct client *)arg)->bev), some, sizeof some, MSG_DONTWAIT);
}

/* A client that takes a little now and then has no more time for that. */
static void
test_slow_reader(void **state)
{
	struct timeval tv = {.tv_usec = 10000};
	struct client client;
	struct http_stats stats;
	struct event *sip;

	(void)state;
	start(10, 300, LONG_MS);
	client_open(&client);
	bufferevent_disable(client.bev, EV_READ);
	client_send(&client, "GET /huge HTTP/1.1\r\n" HOST "\r\n");
	sip = event_new(base, -1, EV_PERSIST, on_sip, &client);
	event_add(sip, &tv);
	turn_until(has_given_up, NULL);
	event_free(sip);
	http_stats(http, &stats);
	assert_int_equal(stats.given_up, 1);
	assert_int_equal(stats.unsent_bytes, 0);
	assert_int_equal(stats.connections, 0);
	client_close(&client);
	stop();
}

/* When clients do not take what they asked for, the one that has been at it longest makes room. */
static void
test_room_for_answers(void **state)
{
	struct client idle[6], reader;
	struct http_stats stats;
	struct answer answer;
	size_t i;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	for (i = 0; i < 6; i++) {
		client_open(&idle[i]);
		bufferevent_disable(idle[i].bev, EV_READ);
		client_send(&idle[i], "GET /huge HTTP/1.1\r\n" HOST "\r\n");
	}
	turn_until(has_given_up, NULL);
	client_open(&reader);
	client_send(&reader, "GET /huge HTTP/1.1\r\n" HOST "\r\n");
	client_read(&reader, &answer, true);
	assert_int_equal(answer.len, HUGE_BYTES + 1); /* and a line end */
	answer_clear(&answer);
	http_stats(http, &stats);
	assert_true(stats.given_up > 0 && stats.given_up < 6);
	assert_true(stats.unsent_bytes <= MAX_UNSENT);
	client_close(&reader);
	for (i = 0; i < 6; i++)
		client_close(&idle[i]);
	stop();
}

static void
test_client_gone_while_held(void **state)
{
	struct http_stats stats;
	struct client client;
	int i;

	(void)state;
	start(10, 50, 50); /* the handler's time is its own: no deadline of ours runs */
	for (i = 0; i < 2; i++) {
		client_open(&client);
		client_send(&client, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
		turn_until(is_held, NULL);
		if (i == 0)
			client_reset(&client);
		else
			client_close(&client);
		http_stats(http, &stats);
		assert_int_equal(stats.calls, 1);
		assert_int_equal(stats.connections, 1);
		handle_hello(held);
		held = NULL;
		turn_until(has_no_connections, NULL);
		http_stats(http, &stats);
		assert_int_equal(stats.calls, 0);
	}
	stop();
}

static void
on_done(void *arg)
{
	++*(int *)arg;
}

static bool
is_done(void *arg)
{
	return *(int *)arg > 0;
}

static void
test_drain(void **state)
{
	struct client idle, fresh, busy, late;
	struct answer answer;
	int done = 0;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&fresh);
	client_open(&idle);
	expect(&idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
	client_open(&busy);
	client_send(&busy, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
	turn_until(is_held, NULL);
	http_drain(http, on_done, &done);
	assert_int_equal(done, 0);
	client_wait_end(&fresh);
	client_wait_end(&idle);
	client_open(&late);
	client_wait_end(&late); /* refused: nobody listens */
	assert_int_equal(done, 0);
	handle_hello(held);
	assert_int_equal(done, 0);
	client_read(&busy, &answer, true);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.head, "Connection: close"));
	answer_clear(&answer);
	client_wait_end(&busy);
	turn_until(is_done, &done);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(done, 1);
	client_close(&fresh);
	client_close(&idle);
	client_close(&busy);
	client_close(&late);
	stop();
}

/* What had arrived before the drain is still answered. */
static void
test_drain_with_requests_under_way(void **state)
{
	static const char whole[] = "GET /hello HTTP/1.1\r\n" HOST "\r\n";
	struct client idle, partial;
	int done = 0;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&idle);
	client_open(&partial);
	expect(&idle, whole, 200, NULL);
	expect(&partial, whole, 200, NULL);
	assert_true(send(bufferevent_getfd(partial.bev), "GET /hello", 10, 0) == 10);
	event_base_loop(base, EVLOOP_ONCE);
	assert_true(send(bufferevent_getfd(idle.bev), whole, sizeof whole - 1, 0) > 0);
	http_drain(http, on_done, &done);
	expect(&idle, "", 200, "Connection: close");
	client_wait_end(&idle);
	assert_int_equal(done, 0);
	expect(&partial, " HTTP/1.1\r\n" HOST "\r\n", 200, "Connection: close");
	client_wait_end(&partial);
	turn_until(is_done, &done);
	client_close(&idle);
	client_close(&partial);
	stop();
}

static void
on_done_free(void *arg)
{
	http_free(http);
	http = NULL;
	on_done(arg);
}

/* A client whose connect() has begun; whether it is through is asked later. */
static int
begin_connecting(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), -1);
	assert_int_equal(errno, EINPROGRESS);
	return fd;
}

/* While nothing new begins, what the system's queue holds is taken in, and nobody is refused. */
static void
test_hold_off(void **state)
{
	struct client early, idle;
	struct pollfd late = {.events = POLLOUT};
	int done = 0;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&idle);
	expect(&idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello");
	client_open(&early); /* its handshake is over, and nobody has accepted it */
	http_wane(http);
	http_hold_off(http);
	late.fd = begin_connecting();
	expect(&idle, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "Connection: close");
	expect(&early, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "Connection: close");
	assert_int_equal(poll(&late, 1, 0), 0);
	http_drain(http, on_done, &done);
	turn_until(is_done, &done);
	close(late.fd);
	client_close(&early);
	client_close(&idle);
	stop();
}

static void
test_held(void **state)
{
	struct http_stats stats;
	struct client client;

	(void)state;
	start_held(10, LONG_MS, LONG_MS, true);
	client_open(&client);
	client_send(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	while (evbuffer_get_length(bufferevent_get_output(client.bev)) > 0)
		event_base_loop(base, EVLOOP_ONCE);
	event_base_loop(base, EVLOOP_NONBLOCK);
	http_stats(http, &stats);
	assert_int_equal(stats.accepted, 0);
	http_accept(http);
	expect(&client, "", 200, NULL);
	client_close(&client);
	stop();
}

static void
test_drain_nothing_and_free(void **state)
{
	int done = 0;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	http_drain(http, on_done_free, &done);
	assert_int_equal(done, 0);
	turn_until(is_done, &done);
	stop();
}

/* At exit a call may still be open; its memory goes too. */
static void
test_free_with_open_call(void **state)
{
	struct client client;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&client);
	client_send(&client, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
	turn_until(is_held, NULL);
	buf_adds(call_body(held), "unfinished");
	http_free(http);
	http = NULL;
	client_close(&client);
	stop();
}

#define HELLO "GET /hello HTTP/1.1\r\n" HOST "\r\n"
#define GUARDED "GET /guarded HTTP/1.1\r\n" HOST "\r\n"

/* When all places are taken, the longest idle connection goes for the new one. */
static void
test_cap(void **state)
{
	struct http_stats stats;
	struct client first, second, third;

	(void)state;
	start(2, LONG_MS, LONG_MS);
	client_open(&first);
	expect(&first, GUARDED, 200, NULL);
	client_open(&second);
	expect(&second, GUARDED, 200, NULL);
	expect(&first, GUARDED, 200, NULL);
	client_open(&third);
	expect(&third, GUARDED, 200, NULL);
	client_wait_end(&second);
	expect(&first, GUARDED, 200, NULL);
	http_stats(http, &stats);
	assert_int_equal(stats.connections, 2);
	assert_int_equal(stats.accepted, 3);
	assert_int_equal(stats.evicted, 1);
	client_close(&first);
	client_close(&second);
	client_close(&third);
	stop();
}

/* Where nobody can go, a few more are let in, to routes that need no token; and for a short time.
 */
static void
test_beyond_the_cap(void **state)
{
	struct client busy, other, more[40];
	struct http_stats stats;
	size_t i;

	(void)state;
	start(1, LONG_MS, LONG_MS);
	client_open(&busy);
	client_send(&busy, "GET /hold HTTP/1.1\r\n" HOST "\r\n");
	turn_until(is_held, NULL);
	expect_alone(GUARDED, 503, "Retry-After", true);
	expect_alone(HELLO, 200, "Connection: close", true);
	for (i = 0; i < 40; i++)
		client_open(&more[i]);
	for (i = 0; i < 24; i++)
		client_wait_end(&more[i]);
	client_open(&other);
	expect(&other, HELLO, 200, NULL);
	http_stats(http, &stats);
	assert_true(stats.connections <= 17);
	for (i = 24; i < 40; i++)
		client_wait_end(&more[i]);
	client_wait_end(&other);
	for (i = 0; i < 40; i++)
		client_close(&more[i]);
	client_close(&other);
	handle_hello(held);
	client_close(&busy);
	turn_until(has_no_connections, NULL);
	client_open(&other);
	expect(&other, GUARDED, 200, NULL);
	client_close(&other);
	stop();
}

/* The server's end of a client's connection: the descriptor whose peer the client is. */
static int
server_end(struct client *client)
{
	struct sockaddr_in mine = {0}, peer = {0};
	socklen_t len = sizeof mine;
	int fd;

	getsockname(bufferevent_getfd(client->bev), (struct sockaddr *)&mine, &len);
	for (fd = 0; fd < 1024; fd++) {
		len = sizeof peer;
		if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
		    peer.sin_family == AF_INET && peer.sin_port == mine.sin_port)
			return fd;
	}
	return -1;
}

static void
test_no_delay(void **state)
{
	struct client client;
	socklen_t len = sizeof(int);
	int on = 0;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&client);
	expect(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
	assert_int_equal(getsockopt(server_end(&client), IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	assert_int_equal(on, 1);
	client_close(&client);
	stop();
}

/* Without a free descriptor accepting pauses, and goes on by itself. */
static void
test_no_descriptors(void **state)
{
	struct timeval turn = {.tv_usec = 350000};
	struct rlimit old, few;
	struct client client, next;
	clock_t began;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&client);
	getrlimit(RLIMIT_NOFILE, &old);
	few = old;
	few.rlim_cur = (rlim_t)bufferevent_getfd(client.bev) + 1;
	setrlimit(RLIMIT_NOFILE, &few);
	began = clock();
	event_base_loopexit(base, &turn);
	event_base_dispatch(base);
	assert_true((clock() - began) * 1000 / CLOCKS_PER_SEC < 150); /* it does not spin */
	setrlimit(RLIMIT_NOFILE, &old);
	/* not the first: valgrind's accept() takes it before it says that it could not */
	client_open(&next);
	expect(&next, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
	client_close(&client);
	client_close(&next);
	stop();
}

static void
test_listen(void **state)
{
	static const char *const bad[] = {"", "8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536",
	    "127.0.0.1:8x", "localhost:80", "::1:80", "[::1]", "[1.2.3.4]:80", "1.2.3:80", "[]:1"};
	const struct sockaddr_storage *addresses;
	char *why = NULL, taken[32], want[80];
	struct sockaddr_in other = {.sin_family = AF_INET};
	socklen_t len = sizeof other;
	size_t i, n;
	int fd;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_int_equal(http_listen(http, bad[i], &why), -1);
		assert_non_null(strstr(why, bad[i]));
		free(why);
	}
	other.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM, 0); /* without SO_REUSEPORT the port is its own */
	assert_int_equal(bind(fd, (struct sockaddr *)&other, sizeof other), 0);
	assert_int_equal(listen(fd, 1), 0);
	getsockname(fd, (struct sockaddr *)&other, &len);
	snprintf(taken, sizeof taken, "127.0.0.1:%d", ntohs(other.sin_port));
	snprintf(want, sizeof want, "cannot listen on %s: Address already in use", taken);
	assert_int_equal(http_listen(http, taken, &why), -1);
	assert_string_equal(why, want);
	free(why);
	close(fd);
	if (http_listen(http, "[::1]:0", &why) == 0) {
		addresses = http_addresses(http, &n);
		assert_int_equal(n, 2);
		assert_int_equal(addresses[1].ss_family, AF_INET6);
		assert_int_not_equal(((const struct sockaddr_in6 *)&addresses[1])->sin6_port, 0);
	} else {
		free(why); /* a machine without IPv6 */
	}
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_slow_judging),
	    cmocka_unit_test(test_slow_requests),
	    cmocka_unit_test(test_dripping_request),
	    cmocka_unit_test(test_idle),
	    cmocka_unit_test(test_stuck_reader),
	    cmocka_unit_test(test_slow_reader),
	    cmocka_unit_test(test_room_for_answers),
	    cmocka_unit_test(test_client_gone_while_held),
	    cmocka_unit_test(test_drain),
	    cmocka_unit_test(test_drain_with_requests_under_way),
	    cmocka_unit_test(test_hold_off),
	    cmocka_unit_test(test_held),
	    cmocka_unit_test(test_drain_nothing_and_free),
	    cmocka_unit_test(test_free_with_open_call),
	    cmocka_unit_test(test_cap),
	    cmocka_unit_test(test_beyond_the_cap),
	    cmocka_unit_test(test_no_delay),
	    cmocka_unit_test(test_no_descriptors),
	    cmocka_unit_test(test_listen),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
