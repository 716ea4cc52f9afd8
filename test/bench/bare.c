/*
 * The ceiling: a bare evhttp server that answers every POST with 201 and as many bytes as evhookd
 * would, at once, or after one XADD of the body.  Usage: bare PORT ANSWER-BYTES [REDIS-SOCKET]
 */
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BARE_ANSWER_MAX 65536

struct bare {
	struct event_base *base;
	redisAsyncContext *redis; /* NULL: answer at once */
	size_t answer_len;
	char answer[BARE_ANSWER_MAX];
};

static void
bare_reply(const struct bare *bare, struct evhttp_request *req)
{
	evhttp_add_header(
	    evhttp_request_get_output_headers(req), "Content-Type", "application/json");
	evbuffer_add(evhttp_request_get_output_buffer(req), bare->answer, bare->answer_len);
	evhttp_send_reply(req, 201, "Created", NULL);
}

static void
bare_on_added(redisAsyncContext *redis, void *answer, void *arg)
{
	const redisReply *reply = answer;

	if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
		evhttp_send_error(arg, 503, "Redis failed");
	else
		bare_reply(redis->data, arg);
}

static void
bare_on_request(struct evhttp_request *req, void *arg)
{
	struct bare *bare = arg;
	struct evbuffer *in = evhttp_request_get_input_buffer(req);
	size_t n = evbuffer_get_length(in);

	if (bare->redis == NULL) {
		bare_reply(bare, req);
	} else {
		const char *argv[] = {
		    "XADD", "events", "*", "data", (char *)evbuffer_pullup(in, -1)};
		const size_t lens[] = {4, 6, 1, 4, n};

		if (n == 0 || redisAsyncCommandArgv(
				  bare->redis, bare_on_added, req, 5, argv, lens) != REDIS_OK)
			evhttp_send_error(req, 503, "Redis failed");
	}
}

static int
bare_connect(struct bare *bare, const char *path)
{
	bare->redis = redisAsyncConnectUnix(path);
	if (bare->redis == NULL || bare->redis->err != 0)
		return -1;
	bare->redis->data = bare;
	return redisLibeventAttach(bare->redis, bare->base) == REDIS_OK ? 0 : -1;
}

static struct event_base *
bare_base(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base;

	event_config_set_flag(cfg, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST); /* as server/main.c */
	base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	return base;
}

int
main(int argc, char **argv)
{
	static struct bare bare;
	struct evhttp *http;

	if (argc < 3 || argc > 4) {
		fputs("usage: bare PORT ANSWER-BYTES [REDIS-SOCKET]\n", stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	bare.answer_len = strtoul(argv[2], NULL, 10);
	if (bare.answer_len > sizeof bare.answer)
		bare.answer_len = sizeof bare.answer;
	memset(bare.answer, 'x', sizeof bare.answer);
	bare.base = bare_base();
	if (argc == 4 && bare_connect(&bare, argv[3]) != 0) {
		fputs("bare: cannot connect to Redis\n", stderr);
		return 1;
	}
	http = evhttp_new(bare.base);
	evhttp_set_gencb(http, bare_on_request, &bare);
	if (evhttp_bind_socket(http, "127.0.0.1", (uint16_t)strtoul(argv[1], NULL, 10)) != 0) {
		fputs("bare: cannot listen\n", stderr);
		return 1;
	}
	return event_base_dispatch(bare.base) == 0 ? 0 : 1;
}
