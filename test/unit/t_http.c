/* The HTTP side over real sockets: server and clients share one loop. */
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
#define UUID "0190a5e2-0b4e-7cc1-8d5c-2f0f8b8f3a11"
#define HOST "Host: test\r\n"
#define LONG_MS 300000 /* beyond the watchdog: what must close has to close by itself */

/* --- the handlers --- */

static struct call *held;

static void
handle_hello(struct call *call)
{
	buf_adds(call_body(call), "{\"hello\":true}");
	call_reply(call, 200);
}

static void
handle_big(struct call *call)
{
	size_t i;

	for (i = 0; i < 400000; i++)
		buf_adds(call_body(call), "0123456789");
	call_reply(call, 200);
}

static void
handle_echo(struct call *call)
{
	buf_add(call_body(call), call->body, call->body_len);
	call_reply(call, 201);
}

static void
handle_empty(struct call *call)
{
	call_reply_empty(call, 204);
}

static void
handle_hold(struct call *call)
{
	held = call;
}

static void
handle_values(struct call *call)
{
	buf_printf(call_body(call), "%s %s", call->tenant.s, call->locator[0].s);
	call_reply(call, 200);
}

/* In a child, since it must die of it; its exit status goes into the answer. */
static void
handle_twice(struct call *call)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		call_reply_empty(call, 204);
		call_reply_empty(call, 204);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	buf_adds(call_body(call), WIFSIGNALED(status) ? "died" : "lived");
	call_reply(call, 200);
}

static void
handle_busy(struct call *call)
{
	call_problem(call, 503, "no %s", "\"store\"");
}

const struct route routes[] = {
    {"GET", "/hello", handle_hello, NULL, {NULL}, false},
    {"DELETE", "/hello", handle_empty, NULL, {NULL}, false},
    {"GET", "/big", handle_big, NULL, {NULL}, false},
    {"POST", "/echo", handle_echo, NULL, {NULL}, true},
    {"POST", "/quiet", handle_empty, NULL, {NULL}, false},
    {"GET", "/hold", handle_hold, NULL, {NULL}, false},
    {"GET", "/twice", handle_twice, NULL, {NULL}, false},
    {"GET", "/busy", handle_busy, NULL, {NULL}, false},
    {"POST", "/v/{tenant}/{locator}", handle_values, NULL, {NULL}, true},
    {NULL, NULL, NULL, NULL, {NULL}, false},
};

static bool
refuses(struct call *call, const char *stage, int status)
{
	const char *at = call_header(call, "X-Refuse");

	if (at == NULL || strcmp(at, stage) != 0)
		return false;
	call_problem(call, status, "refused");
	return true;
}

static bool
admit(struct call *call)
{
	return !refuses(call, "admit", 401);
}

static bool
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

static void
on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	*(bool *)arg = true;
}

/* Turns the loop until fn says so; a test that waits for ever fails. */
static void
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

static void
start(size_t max_connections, int64_t request_ms, int64_t idle_ms)
{
	struct http_opts opts = {.max_body = MAX_BODY,
	    .max_header = 4096,
	    .max_connections = max_connections,
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

static void
stop(void)
{
	if (http != NULL)
		http_free(http);
	event_base_free(base);
	http = NULL;
	held = NULL;
}

static void
on_client_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *client = arg;

	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		client->ended = true;
}

static void
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

static void
client_send(struct client *client, const char *text)
{
	evbuffer_add(bufferevent_get_output(client->bev), text, strlen(text));
}

static void
client_close(struct client *client)
{
	bufferevent_free(client->bev);
}

static bool
client_has_ended(void *arg)
{
	return ((struct client *)arg)->ended;
}

static void
client_wait_end(struct client *client)
{
	turn_until(client_has_ended, client);
}

static bool
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

static bool
client_has_bytes(void *arg)
{
	struct wait *wait = arg;

	return wait->client->ended ||
	       evbuffer_get_length(bufferevent_get_input(wait->client->bev)) >= wait->len;
}

/* The next answer; has_body is false for HEAD.  answer_clear() it. */
static void
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

static void
answer_clear(struct answer *answer)
{
	free(answer->body);
}

/* Sends a request on a connection and expects that status; what the answer holds is optional. */
static void
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
static void
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

/* --- tests --- */

static void
test_keep_alive(void **state)
{
	struct http_stats stats;
	struct client client;
	int i;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&client);
	for (i = 0; i < 3; i++)
		expect(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, "{\"hello\":true}");
	http_stats(http, &stats);
	assert_int_equal(stats.connections, 1);
	assert_int_equal(stats.accepted, 1);
	assert_int_equal(stats.requests, 3);
	assert_int_equal(stats.calls, 0);
	expect(&client, "GET /hello HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", 200,
	    "Connection: close");
	client_wait_end(&client);
	client_close(&client);
	expect_alone("GET /hello HTTP/1.0\r\n\r\n", 200, "Content-Length: 14", true);
	expect_alone("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200,
	    "Connection: keep-alive", false);
	stop();
}

static void
test_pipelined(void **state)
{
	struct client client;
	struct answer answer;
	int i;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&client);
	for (i = 0; i < 50; i++) {
		client_send(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
		client_send(&client,
		    "POST /echo HTTP/1.1\r\n" HOST
		    "Content-Type: application/json\r\nContent-Length: 3\r\n\r\n[1]");
	}
	for (i = 0; i < 100; i++) {
		client_read(&client, &answer, true);
		assert_int_equal(answer.status, i % 2 == 0 ? 200 : 201);
		assert_string_equal(answer.body, i % 2 == 0 ? "{\"hello\":true}" : "[1]");
		answer_clear(&answer);
	}
	client_close(&client);
	stop();
}

static void
test_half_closed(void **state)
{
	static const char request[] = "GET /big HTTP/1.1\r\n" HOST "\r\n";
	struct client client;
	struct answer answer;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&client);
	expect(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
	assert_int_equal(send(bufferevent_getfd(client.bev), request, sizeof request - 1, 0),
	    sizeof request - 1);
	shutdown(bufferevent_getfd(client.bev), SHUT_WR);
	client_read(&client, &answer, true);
	assert_int_equal(answer.len, 4000000);
	answer_clear(&answer);
	client_wait_end(&client);
	client_close(&client);
	stop();
}

static void
test_methods(void **state)
{
	struct client client;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&client);
	expect(&client, "HEAD /hello HTTP/1.1\r\n" HOST "\r\n", 200, "Content-Length: 14\r\n");
	expect(&client, "HEAD /nothing HTTP/1.1\r\n" HOST "\r\n", 404, "application/problem+json");
	expect(&client, "GET /nothing HTTP/1.1\r\n" HOST "\r\n", 404, "application/problem+json");
	expect(&client, "PUT /hello HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\n{}", 405,
	    "Allow: GET, HEAD, DELETE, OPTIONS\r\n");
	expect(&client, "TRACE /hello HTTP/1.1\r\n" HOST "\r\n", 405, "Allow: ");
	expect(&client, "OPTIONS /echo HTTP/1.1\r\n" HOST "\r\n", 204, "Allow: POST, OPTIONS\r\n");
	expect(&client, "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 204,
	    "Allow: GET, HEAD, POST, DELETE, OPTIONS\r\n");
	expect(&client, "DELETE /hello HTTP/1.1\r\n" HOST "\r\n", 204, NULL);
	expect(&client, "GET http://test/hello HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
	expect(&client, "GET HTTPS://[::1]:8/hello?a HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
	expect(&client, "GET http://test HTTP/1.1\r\n" HOST "\r\n", 404, NULL);
	expect(&client, "GET /hello/ HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
	expect(&client, "GET /busy HTTP/1.1\r\n" HOST "\r\n", 503, "Retry-After: 1\r\n");
	expect(
	    &client, "GET /busy HTTP/1.1\r\n" HOST "\r\n", 503, "\"detail\":\"no \\\"store\\\"\"");
	client_close(&client);
	expect_alone("CONNECT test:80 HTTP/1.1\r\n" HOST "\r\n", 501, "Connection: close", true);
	stop();
}

static void
test_request_id(void **state)
{
	char request[512], id[140];
	struct client client;
	struct answer answer;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&client);
	expect(&client, "GET /hello HTTP/1.1\r\n" HOST "X-Request-Id: a.B-1/=@\r\n\r\n", 200,
	    "X-Request-Id: a.B-1/=@\r\n");
	expect(&client, "GET /x HTTP/1.1\r\n" HOST "X-Request-Id: mine\r\n\r\n", 404,
	    "\"instance\":\"mine\"");
	memset(id, 'x', sizeof id);
	id[128] = '\0';
	snprintf(
	    request, sizeof request, "GET /hello HTTP/1.1\r\n" HOST "X-Request-Id: %s\r\n\r\n", id);
	expect(&client, request, 200, id);
	client_send(&client, "GET /hello HTTP/1.1\r\n" HOST "X-Request-Id: a b\r\n\r\n");
	client_read(&client, &answer, true);
	assert_int_equal(
	    strspn(strstr(answer.head, "X-Request-Id: ") + 14, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"),
	    26);
	answer_clear(&answer);
	client_close(&client);
	stop();
}

#define POST(path, headers, body) "POST " path " HTTP/1.1\r\n" HOST headers "\r\n" body
#define JSON "Content-Type: application/json\r\n"

static void
test_body(void **state)
{
	char request[2048], body[MAX_BODY + 2];
	struct client client;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&client);
	expect(&client, POST("/echo", "Content-Length: 2\r\n", "{}"), 415, "problem+json");
	expect(&client, POST("/echo", "", ""), 415, NULL);
	expect(&client, POST("/echo", JSON, ""), 201, NULL);
	expect(&client, POST("/echo", JSON "Content-Length: 2\r\n", "{}"), 201, "{}");
	expect(&client,
	    POST("/echo", JSON "Transfer-Encoding: Chunked\r\n",
		"2\r\n[1\r\n2\r\n,2\r\n1\r\n]\r\n0\r\n\r\n"),
	    201, "[1,2]");
#define TYPE(type) POST("/echo", "Content-Type: " type "\r\nContent-Length: 2\r\n", "{}")
	expect(&client, TYPE("Application/JSON"), 201, NULL);
	expect(&client, TYPE("application/json; charset=UTF-8"), 201, NULL);
	expect(&client, TYPE("application/json ;charset=\"utf-8\" ; v=1;"), 201, NULL);
	expect(&client, TYPE("application/json; charset=latin1"), 415, NULL);
	expect(&client, TYPE("application/json; charset=utf-80"), 415, NULL);
	expect(&client, TYPE("application/jsonp"), 415, NULL);
	expect(&client, TYPE("application/json charset"), 415, NULL);
	expect(&client, TYPE("application/json; x"), 415, NULL);
	expect(&client, TYPE("text/plain"), 415, NULL);
	expect(&client, POST("/echo", JSON "Content-Encoding: gzip\r\nContent-Length: 2\r\n", "{}"),
	    415, NULL);
	expect(&client, POST("/quiet", "Content-Length: 5\r\n", "<xml>"), 204, NULL);
	memset(body, ' ', sizeof body);
	body[MAX_BODY] = '\0';
	snprintf(request, sizeof request, POST("/echo", JSON "Content-Length: %d\r\n", "%s"),
	    MAX_BODY, body);
	expect(&client, request, 201, NULL);
	body[MAX_BODY] = ' ';
	body[MAX_BODY + 1] = '\0';
	snprintf(request, sizeof request, POST("/echo", JSON "Content-Length: %d\r\n", "%s"),
	    MAX_BODY + 1, body);
	expect(&client, request, 413, "1000 bytes");
	client_close(&client);
	stop();
}

/* What evhttp refuses by itself, in HTML: at least the status is right, and the end. */
static void
test_evhttp_refuses(void **state)
{
	static const struct {
		const char *request;
		int status;
	} cases[] = {
	    {POST("/echo", JSON "Content-Length: 100000000\r\n", "x"), 413},
	    {POST("/echo", JSON "Content-Length: x\r\n", "x"), 400},
	    {POST("/echo", JSON "Expect: more\r\nContent-Length: 1\r\n", "x"), 417},
	    {"BREW /hello HTTP/1.1\r\n" HOST "\r\n", 501},
	    {"get /hello HTTP/1.1\r\n" HOST "\r\n", 501},
	    {"GET /hello HTTP/2.0\r\n" HOST "\r\n", 400},
	    {"GET /hello\r\n" HOST "\r\n", 400},
	    {"GET /hello HTTP/1.1\r\n" HOST "no colon\r\n\r\n", 400},
	};
	struct client client;
	struct answer answer;
	size_t i;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		client_open(&client);
		client_send(&client, cases[i].request);
		client_read(&client, &answer, true);
		assert_int_equal(answer.status, cases[i].status);
		answer_clear(&answer);
		client_wait_end(&client);
		client_close(&client);
	}
	stop();
}

static void
test_order_of_checks(void **state)
{
#define BAD "POST /v/x/y HTTP/1.1\r\n" HOST "X-Refuse: "
#define GOOD "POST /v/" UUID "/01ARZ3NDEKTSV4RRFFQ69G5FAV HTTP/1.1\r\n" HOST "X-Refuse: "
	struct client client;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	client_open(&client);
	expect(&client, "POST /v/x HTTP/1.1\r\n" HOST "X-Refuse: admit\r\n\r\n", 404, NULL);
	expect(&client, "GET /v/x/y HTTP/1.1\r\n" HOST "X-Refuse: admit\r\n\r\n", 405, NULL);
	expect(&client, BAD "admit\r\n\r\n", 401, "WWW-Authenticate: Bearer");
	expect(&client, BAD "permit\r\n\r\n", 400, "uuid");
	expect(&client, GOOD "permit\r\n\r\n", 403, NULL);
	expect(&client, GOOD "none\r\n\r\n", 415, NULL);
	expect(&client, GOOD "none\r\n" JSON "\r\n", 200, UUID " 01ARZ3NDEKTSV4RRFFQ69G5FAV");
	client_close(&client);
	stop();
}

/* Each of these must be answered with 400 and the end of the connection. */
static void
test_guard_refuses(void **state)
{
#define G "GET /hello HTTP/1.1\r\n"
#define P "POST /echo HTTP/1.1\r\n" HOST JSON
	static const char *const requests[] = {
	    G "\r\n",
	    G "Host: a\r\nHost: a\r\n\r\n",
	    G "Host: a b\r\n\r\n",
	    G "Host: user@a\r\n\r\n",
	    G "Host: a:b\r\n\r\n",
	    G "Host: [::1\r\n\r\n",
	    G "Host: [::1]x\r\n\r\n",
	    G "Host: a%zz\r\n\r\n",
	    G HOST "Bad Name: x\r\n\r\n",
	    G HOST "Name : x\r\n\r\n",
	    G HOST "N\x01: x\r\n\r\n",
	    G HOST "N\xe4: x\r\n\r\n",
	    G HOST "N(: x\r\n\r\n",
	    G HOST ": x\r\n\r\n",
	    P "Content-Length: 2\r\nContent-Length: 0\r\n\r\n{}",
	    P "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
	    P "Content-Length: +2\r\n\r\n{}",
	    P "Content-Length: -0\r\n\r\n",
	    P "Content-Length: \v2\r\n\r\n{}",
	    P "Content-Length : 2\r\n\r\n{}",
	    P "Content-Length\t: 2\r\n\r\n{}",
	    P "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
	    P "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	    P "Transfer-Encoding: identity\r\n\r\n",
	    P "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
	    P "Transfer-Encoding:\r\n\r\n",
	    P "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n",
	    "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\n" JSON
	    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	    "HEAD /hello HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nGET /",
	    "TRACE /hello HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nGET /",
	    "GET /hello HTTP/0.9\r\n" HOST "\r\n",
	    "GET /hello HTTP/1.10\r\n" HOST "\r\n",
	    "GET /hel lo HTTP/1.1\r\n" HOST "\r\n",
	    "GET /hello\x01 HTTP/1.1\r\n" HOST "\r\n",
	    "GET /hell\xc3\xb6 HTTP/1.1\r\n" HOST "\r\n",
	    "GET /hello#x HTTP/1.1\r\n" HOST "\r\n",
	    "GET hello HTTP/1.1\r\n" HOST "\r\n",
	    "GET * HTTP/1.1\r\n" HOST "\r\n",
	    "OPTIONS *x HTTP/1.1\r\n" HOST "\r\n",
	    "GET ftp://a/hello HTTP/1.1\r\n" HOST "\r\n",
	    "GET http://u@a/hello HTTP/1.1\r\n" HOST "\r\n",
	    "GET http:///hello HTTP/1.1\r\n" HOST "\r\n",
	    "GET http://:80/hello HTTP/1.1\r\n" HOST "\r\n",
	    "GET /hello%00x HTTP/1.1\r\n" HOST "\r\n",
	    "GET /hello%4 HTTP/1.1\r\n" HOST "\r\n",
	    "GET /hello?a=%zz HTTP/1.1\r\n" HOST "\r\n",
	};
	struct answer answer;
	struct client client;
	size_t i;

	(void)state;
	start(10, LONG_MS, LONG_MS);
	for (i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		client_open(&client);
		client_send(&client, requests[i]);
		client_send(&client, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
		client_read(&client, &answer, strncmp(requests[i], "HEAD ", 5) != 0);
		if (answer.status != 400)
			print_error("%s\n%s\n", requests[i], answer.head);
		assert_int_equal(answer.status, 400);
		assert_non_null(strstr(answer.head, "Connection: close"));
		answer_clear(&answer);
		client_wait_end(&client);
		assert_int_equal(evbuffer_get_length(bufferevent_get_input(client.bev)), 0);
		client_close(&client);
	}
	expect_alone("GET /hello HTTP/1.1\r\nHost:\r\n\r\n", 200, NULL, false);
	expect_alone("GET /hello HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 200, NULL, false);
	expect_alone("HEAD /hello HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n", 200, NULL, false);
	expect_alone(G "\r\n", 400, "application/problem+json", true);
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
		client_wait_end(&clients[i]);
		assert_int_equal(evbuffer_get_length(bufferevent_get_input(clients[i].bev)), 0);
		client_close(&clients[i]);
	}
	http_stats(http, &stats);
	assert_int_equal(stats.connections, 0);
	assert_int_equal(stats.refused, 5);
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
	assert_int_equal(stats.refused, 0);
	client_close(&client);
	stop();
}

static bool
has_no_connections(void *arg)
{
	struct http_stats stats;

	(void)arg;
	http_stats(http, &stats);
	return stats.connections == 0;
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

static void
test_answered_twice(void **state)
{
	(void)state;
	start(10, LONG_MS, LONG_MS);
	expect_alone("GET /twice HTTP/1.1\r\n" HOST "\r\n", 200, "died", false);
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

static void
test_cap(void **state)
{
	struct http_stats stats;
	struct client first, second, third;

	(void)state;
	start(2, LONG_MS, LONG_MS);
	client_open(&first);
	client_open(&second);
	client_open(&third);
	client_send(&third, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	expect(&first, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
	expect(&second, "GET /hello HTTP/1.1\r\n" HOST "\r\n", 200, NULL);
	http_stats(http, &stats);
	assert_int_equal(stats.connections, 2);
	client_close(&first);
	expect(&third, "", 200, NULL); /* sent above, accepted only now */
	http_stats(http, &stats);
	assert_int_equal(stats.accepted, 3);
	client_close(&second);
	client_close(&third);
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
	    cmocka_unit_test(test_keep_alive),
	    cmocka_unit_test(test_pipelined),
	    cmocka_unit_test(test_half_closed),
	    cmocka_unit_test(test_methods),
	    cmocka_unit_test(test_request_id),
	    cmocka_unit_test(test_body),
	    cmocka_unit_test(test_evhttp_refuses),
	    cmocka_unit_test(test_order_of_checks),
	    cmocka_unit_test(test_guard_refuses),
	    cmocka_unit_test(test_slow_requests),
	    cmocka_unit_test(test_dripping_request),
	    cmocka_unit_test(test_idle),
	    cmocka_unit_test(test_stuck_reader),
	    cmocka_unit_test(test_answered_twice),
	    cmocka_unit_test(test_client_gone_while_held),
	    cmocka_unit_test(test_drain),
	    cmocka_unit_test(test_drain_with_requests_under_way),
	    cmocka_unit_test(test_drain_nothing_and_free),
	    cmocka_unit_test(test_free_with_open_call),
	    cmocka_unit_test(test_cap),
	    cmocka_unit_test(test_no_delay),
	    cmocka_unit_test(test_no_descriptors),
	    cmocka_unit_test(test_listen),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
