/* For the tests of the HTTP side: a server with handlers of its own, clients, all in one loop. */
#ifndef TEST_UNIT_HTTP_HELP_H
#define TEST_UNIT_HTTP_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server/http.h"
#include "server/route.h"

#define MAX_BODY 1000
#define HUGE_BYTES (12 * 1000 * 1000) /* more than a socket takes unread */
#define MAX_UNSENT (20 * 1000 * 1000)
#define UUID "0190a5e2-0b4e-7cc1-8d5c-2f0f8b8f3a11"
#define HOST "Host: test\r\n"
#define POST(path, headers, body) "POST " path " HTTP/1.1\r\n" HOST headers "\r\n" body
#define JSON "Content-Type: application/json\r\n"
#define LONG_MS 300000 /* beyond the watchdog: what must close has to close by itself */

/* --- the handlers --- */

static struct call *held;
static unsigned judged; /* of those that take long */

static inline void
handle_hello(struct call *call)
{
	buf_adds(call_body(call), "{\"hello\":true}");
	call_reply(call, 200);
}

static inline void
handle_big(struct call *call)
{
	size_t i;

	for (i = 0; i < 400000; i++)
		buf_adds(call_body(call), "0123456789");
	call_reply(call, 200);
}

static inline void
handle_huge(struct call *call)
{
	for (size_t i = 0; i < HUGE_BYTES / 100; i++)
		buf_adds(call_body(call), "01234567890123456789012345678901234567890123456789"
					  "01234567890123456789012345678901234567890123456789");
	call_reply(call, 200);
}

static inline void
handle_echo(struct call *call)
{
	buf_add(call_body(call), call->body, call->body_len);
	call_reply(call, 201);
}

static inline void
handle_empty(struct call *call)
{
	call_reply_empty(call, 204);
}

static inline void
handle_hold(struct call *call)
{
	held = call;
}

static inline void
handle_values(struct call *call)
{
	buf_printf(call_body(call), "%s %s", call->tenant.s, call->locator[0].s);
	call_reply(call, 200);
}

/* In a child, since it must die of it; its exit status goes into the answer. */
static inline void
handle_twice(struct call *call)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		for (int fd = 3; fd < 256; fd++)
			close(fd); /* the client is to hear from the parent alone */
		call_reply_empty(call, 204);
		call_reply_empty(call, 204);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	buf_adds(call_body(call), WIFSIGNALED(status) ? "died" : "lived");
	call_reply(call, 200);
}

static inline void
handle_busy(struct call *call)
{
	call_problem(call, 503, "no %s", "\"store\"");
}

const struct route routes[] = {
    {"GET", "/hello", handle_hello, NULL, {NULL}, false},
    {"DELETE", "/hello", handle_empty, NULL, {NULL}, false},
    {"GET", "/guarded", handle_hello, "x", {NULL}, false},
    {"GET", "/big", handle_big, NULL, {NULL}, false},
    {"GET", "/huge", handle_huge, NULL, {NULL}, false},
    {"POST", "/echo", handle_echo, NULL, {NULL}, true},
    {"POST", "/quiet", handle_empty, NULL, {NULL}, false},
    {"GET", "/hold", handle_hold, NULL, {NULL}, false},
    {"GET", "/twice", handle_twice, NULL, {NULL}, false},
    {"GET", "/busy", handle_busy, NULL, {NULL}, false},
    {"POST", "/v/{tenant}/{locator}", handle_values, NULL, {NULL}, true},
    {NULL, NULL, NULL, NULL, {NULL}, false},
};

static inline bool
refuses(struct call *call, const char *stage, int status)
{
	const char *at = call_header(call, "X-Refuse");

	if (at == NULL || strcmp(at, stage) != 0)
		return false;
	call_problem(call, status, "refused");
	return true;
}

static inline bool
admit(struct call *call)
{
	if (call_header(call, "X-Takes") != NULL && usleep(1000) == 0)
		judged++;
	return !refuses(call, "admit", 401);
}

static inline bool
permit(struct call *call)
{
	return !refuses(call, "permit", 403);
}

/* --- the server and its clients --- */

static struct event_base *base;
static struct http *http;
static uint16_t port;

struct client {
	struct bufferevent *bev;
	bool ended; /* the server closed, or reset, the connection */
};

struct answer {
	int status;
	char head[4096];
	char *body; /* NUL-terminated */
	size_t len;
};

static inline void
on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Turns the loop until fn says so; a test that waits for ever fails. */
static inline void
turn_until(bool (*fn)(void *arg), void *arg)
{
	struct timeval tv = {.tv_sec = 30};
	bool late = false;
	struct event *watchdog = event_new(base, -1, 0, on_watchdog, &late);

	event_add(watchdog, &tv);
	while (!fn(arg) && !late)
		event_base_loop(base, EVLOOP_ONCE);
	event_free(watchdog);
	assert_false(late);
}

static inline void
start_held(size_t max_connections, int64_t request_ms, int64_t idle_ms, bool is_held)
{
	struct http_opts opts = {.max_body = MAX_BODY,
	    .max_bodies = 100 * MAX_BODY,
	    .max_unsent = MAX_UNSENT,
	    .max_header = 4096,
	    .max_connections = max_connections,
	    .held = is_held,
	    .request_timeout_ms = request_ms,
	    .idle_timeout_ms = idle_ms,
	    .admit = admit,
	    .permit = permit};
	const struct sockaddr_storage *address;
	char *why = NULL;
	size_t n;

	base = event_base_new();
	opts.base = base;
	http = http_new(&opts);
	assert_int_equal(http_listen(http, "127.0.0.1:0", &why), 0);
	address = http_addresses(http, &n);
	assert_int_equal(n, 1);
	port = ntohs(((const struct sockaddr_in *)address)->sin_port);
	assert_int_not_equal(port, 0);
}

static inline void
start(size_t max_connections, int64_t request_ms, int64_t idle_ms)
{
	start_held(max_connections, request_ms, idle_ms, false);
}

static inline void
stop(void)
{
	if (http != NULL)
		http_free(http);
	event_base_free(base);
	http = NULL;
	held = NULL;
}

static inline void
on_client_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *client = arg;

	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		client->ended = true;
}

static inline void
client_open(struct client *client)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	client->ended = false;
	client->bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(client->bev, NULL, NULL, on_client_event, client);
	bufferevent_enable(client->bev, EV_READ | EV_WRITE);
	assert_int_equal(
	    bufferevent_socket_connect(client->bev, (struct sockaddr *)&to, sizeof to), 0);
}

static inline void
client_send(struct client *client, const char *text)
{
	evbuffer_add(bufferevent_get_output(client->bev), text, strlen(text));
}

static inline void
client_close(struct client *client)
{
	bufferevent_free(client->bev);
}

static inline bool
client_has_ended(void *arg)
{
	return ((struct client *)arg)->ended;
}

static inline void
client_wait_end(struct client *client)
{
	turn_until(client_has_ended, client);
}

static inline bool
client_has_head(void *arg)
{
	struct client *client = arg;
	struct evbuffer *input = bufferevent_get_input(client->bev);

	return client->ended || evbuffer_search(input, "\r\n\r\n", 4, NULL).pos >= 0;
}

struct wait {
	struct client *client;
	size_t len;
};

static inline bool
client_has_bytes(void *arg)
{
	struct wait *wait = arg;

	return wait->client->ended ||
	       evbuffer_get_length(bufferevent_get_input(wait->client->bev)) >= wait->len;
}

/* The next answer; has_body is false for HEAD.  answer_clear() it. */
static inline void
client_read(struct client *client, struct answer *answer, bool has_body)
{
	struct evbuffer *input = bufferevent_get_input(client->bev);
	struct wait wait = {client, 0};
	const char *length;
	size_t head;

	turn_until(client_has_head, client);
	assert_true(evbuffer_search(input, "\r\n\r\n", 4, NULL).pos >= 0);
	head = (size_t)evbuffer_search(input, "\r\n\r\n", 4, NULL).pos + 4;
	assert_true(head < sizeof answer->head);
	evbuffer_remove(input, answer->head, head);
	answer->head[head] = '\0';
	assert_int_equal(sscanf(answer->head, "HTTP/1.%*d %d", &answer->status), 1);
	length = strstr(answer->head, "Content-Length: ");
	answer->len = length != NULL && has_body ? strtoul(length + 16, NULL, 10) : 0;
	wait.len = answer->len;
	turn_until(client_has_bytes, &wait);
	answer->body = calloc(1, answer->len + 1);
	assert_int_equal(evbuffer_remove(input, answer->body, answer->len), answer->len);
}

static inline void
answer_clear(struct answer *answer)
{
	free(answer->body);
}

/* Sends a request on a connection and expects that status; what the answer holds is optional. */
static inline void
expect(struct client *client, const char *request, int status, const char *holds)
{
	struct answer answer;

	client_send(client, request);
	client_read(client, &answer, strncmp(request, "HEAD ", 5) != 0);
	if (answer.status != status)
		print_error("%s\n%s%s\n", request, answer.head, answer.body);
	assert_int_equal(answer.status, status);
	assert_non_null(strstr(answer.head, "X-Request-Id: "));
	if (holds != NULL && strstr(answer.head, holds) == NULL &&
	    strstr(answer.body, holds) == NULL) {
		print_error("%s\n%s%s\n", request, answer.head, answer.body);
		fail();
	}
	answer_clear(&answer);
}

/* The same on a connection of its own, which the server must close afterwards if `closes`. */
static inline void
expect_alone(const char *request, int status, const char *holds, bool closes)
{
	struct client client;

	client_open(&client);
	expect(&client, request, status, holds);
	if (closes)
		client_wait_end(&client);
	else
		expect(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "hello");
	client_close(&client);
}

#endif
