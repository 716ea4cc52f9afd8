/* What is not HTTP: refused, and the connection closed. */
#include "test/unit/http_help.h"

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

/* What has a status of its own. */
static void
test_guard_says_why(void **state)
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
	    {"CONNECT test:80 HTTP/1.1\r\n" HOST "\r\n", 501},
	    {"GET /hello HTTP/2.0\r\n" HOST "\r\n", 505},
	    {"GET /hello HTTP/0.9\r\n" HOST "\r\n", 505},
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
		assert_non_null(strstr(answer.head, "application/problem+json"));
		assert_non_null(strstr(answer.head, "X-Request-Id: "));
		answer_clear(&answer);
		client_wait_end(&client);
		client_close(&client);
	}
	stop();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_guard_refuses),
	    cmocka_unit_test(test_guard_says_why),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
