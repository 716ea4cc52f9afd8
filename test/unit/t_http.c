/* Requests and answers over real sockets. */
#include "test/unit/http_help.h"

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
	expect_alone("GET /hello HTTP/1.0\r\n\r\n", 200, "Content-Length: 15", true);
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
		assert_string_equal(answer.body, i % 2 == 0 ? "{\"hello\":true}\n" : "[1]\n");
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
	assert_int_equal(answer.len, 4000001); /* and a line end */
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
	expect(&client, "HEAD /hello HTTP/1.1\r\n" HOST "\r\n", 200, "Content-Length: 15\r\n");
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

static void
test_answered_twice(void **state)
{
	(void)state;
	start(10, LONG_MS, LONG_MS);
	expect_alone("GET /twice HTTP/1.1\r\n" HOST "\r\n", 200, "died", false);
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
	    cmocka_unit_test(test_order_of_checks),
	    cmocka_unit_test(test_answered_twice),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
