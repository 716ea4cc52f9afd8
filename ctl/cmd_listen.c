/* evhookctl listen: a receiver that verifies and prints what evhookd delivers. */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "ctl/api.h"
#include "ctl/input.h"
#include "ctl/out.h"
#include "ctl/received.h"

#define LISTEN_BODY_MAX (64 * 1024 * 1024)
#define FORWARD_FIELDS 100

/* A delivery whose answer is put off. */
struct late {
	LIST_ENTRY(late) entry;
	struct event *timer;
	struct evhttp_request *request;
	struct evbuffer *body; /* of the answer; NULL for none */
	int status;
	struct listener *listener;
};

struct listener {
	struct ctl *ctl;
	struct event_base *base;
	struct evhttp *http;
	struct signer *signer; /* NULL: signatures are not checked */
	struct http *forward;  /* NULL: we answer by ourselves */
	enum received_form form;
	int64_t status;
	int64_t delay_ms;
	int64_t left; /* deliveries still wanted; -1 for all */
	size_t wrong; /* that did not verify */
	LIST_HEAD(, late) late;
	char url[96];
	char webhook[32]; /* that --register has made; "" for none */
};

static void
cmd_listen_answer(
    struct listener *listener, struct evhttp_request *request, int status, struct evbuffer *body)
{
	evhttp_send_reply(request, status, NULL, body);
	if (body != NULL)
		evbuffer_free(body);
	if (listener->left == 0) {
		/* The answer is to be on its way first. */
		struct timeval soon = {.tv_usec = 200000};

		event_base_loopexit(listener->base, &soon);
	}
}

static void
cmd_listen_ev_late(evutil_socket_t fd, short what, void *arg)
{
	struct late *late = arg;

	(void)fd, (void)what;
	LIST_REMOVE(late, entry);
	event_free(late->timer);
	cmd_listen_answer(late->listener, late->request, late->status, late->body);
	free(late);
}

static void
cmd_listen_later(
    struct listener *listener, struct evhttp_request *request, int status, struct evbuffer *body)
{
	struct timeval tv = {
	    .tv_sec = listener->delay_ms / 1000, .tv_usec = listener->delay_ms % 1000 * 1000};
	struct late *late = xcalloc(1, sizeof *late);

	late->request = request;
	late->status = status;
	late->body = body;
	late->listener = listener;
	late->timer = evtimer_new(listener->base, cmd_listen_ev_late, late);
	LIST_INSERT_HEAD(&listener->late, late, entry);
	evtimer_add(late->timer, &tv);
}

/* Sends it on as it came, and waits: the status that it is answered with, and *body; 502 and a line
 * when there is no answer. */
static int
cmd_listen_forward(
    struct listener *listener, struct evhttp_request *request, struct evbuffer **body)
{
	static const char *const own[] = {
	    "host", "connection", "content-length", "transfer-encoding", "user-agent", "expect"};
	struct evbuffer *input = evhttp_request_get_input_buffer(request);
	size_t len = evbuffer_get_length(input), n = 0;
	struct http_field fields[FORWARD_FIELDS + 1] = {{NULL, NULL}};
	struct http_request on = {.method = "POST", .fields = fields, .body_len = len};
	struct http_answer answer;
	struct evkeyval *header;
	char *why;
	int status = 502;

	on.body = len > 0 ? (const char *)evbuffer_pullup(input, -1) : "";
	TAILQ_FOREACH(header, evhttp_request_get_input_headers(request), next)
	{
		bool ours = n == FORWARD_FIELDS;

		for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
			ours = ours || strcasecmp(header->key, own[i]) == 0;
		if (!ours)
			fields[n++] = (struct http_field){header->key, header->value};
	}
	if (http_ask(listener->forward, &on, &answer, &why) == 0) {
		status = answer.status;
		*body = evbuffer_new();
		evbuffer_add(*body, answer.body.data, answer.body.len);
	} else {
		fprintf(stderr, "not sent on: %s\n", why);
		free(why);
	}
	http_answer_clear(&answer);
	return status;
}

static void
cmd_listen_on_request(struct evhttp_request *request, void *arg)
{
	struct listener *listener = arg;
	struct evbuffer *body = NULL;
	int status = (int)listener->status;

	if (listener->left == 0) {
		/* One more than was wanted: not taken, so that it is not lost either. */
		evhttp_send_reply(request, 503, NULL, NULL);
		return;
	}
	if (listener->forward != NULL)
		status = cmd_listen_forward(listener, request, &body);
	if (received_print(request, listener->signer, status, listener->form) != 0)
		listener->wrong++;
	if (fflush(stdout) != 0)
		event_base_loopexit(listener->base, NULL);
	if (listener->left > 0)
		listener->left--;
	if (listener->delay_ms > 0)
		cmd_listen_later(listener, request, status, body);
	else
		cmd_listen_answer(listener, request, status, body);
}

static void
cmd_listen_ev_signal(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;

	(void)fd, (void)what;
	event_base_loopbreak(listener->base);
}

/* ADDR:PORT or [ADDR]:PORT with an address in numbers; 0 or -1. */
static int
cmd_listen_split(const char *at, char host[64], uint16_t *port)
{
	const char *colon = strrchr(at, ':');
	size_t n = colon != NULL ? (size_t)(colon - at) : 0;
	unsigned char raw[16];
	char *end;
	unsigned long number;

	if (n >= 2 && at[0] == '[' && at[n - 1] == ']')
		snprintf(host, 64, "%.*s", (int)(n - 2), at + 1);
	else
		snprintf(host, 64, "%.*s", (int)n, at);
	if (inet_pton(at[0] == '[' ? AF_INET6 : AF_INET, host, raw) != 1 || colon[1] < '0' ||
	    colon[1] > '9')
		return -1;
	number = strtoul(colon + 1, &end, 10);
	*port = (uint16_t)number;
	return *end == '\0' && number <= UINT16_MAX ? 0 : -1;
}

/* The port that was taken goes into the URL. */
static int
cmd_listen_bind(struct listener *listener, const char *at)
{
	struct evhttp_bound_socket *bound;
	struct sockaddr_in6 addr = {0}; /* large enough for both */
	socklen_t size = sizeof addr;
	char host[64];
	uint16_t port;

	if (cmd_listen_split(at, host, &port) != 0)
		return ctl_fail(CTL_USAGE, "--listen is ADDR:PORT");
	bound = evhttp_bind_socket_with_handle(listener->http, host, port);
	if (bound == NULL ||
	    getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&addr, &size) != 0)
		return ctl_fail(CTL_FAILED, "cannot listen on %s", at);
	/* v4 and v6 have the port in the same place. */
	snprintf(listener->url, sizeof listener->url,
	    at[0] == '[' ? "http://[%s]:%u/" : "http://%s:%u/", host, ntohs(addr.sin6_port));
	return CTL_OK;
}

/* --- the webhook of --register --- */

static int
cmd_listen_register(struct listener *listener)
{
	struct ctl *ctl = listener->ctl;
	const char *type;
	struct buf path = {0}, body = {0};
	struct api_answer answer;
	const struct json *root, *locator, *endpoint, *secret;
	size_t at = 0;
	int code;

	json_open(&body, '{');
	buf_adds(&body, "\"name\":\"evhookctl listen\",\"enabled\":true,\"endpoint\":{\"url\":");
	json_add_str(&body, listener->url);
	buf_adds(&body, ",\"hmacEnabled\":true},\"eventTypes\":[");
	while ((type = ctl_next(ctl, "event-type", &at)) != NULL)
		json_add_str(&body, type);
	if (ctl_get(ctl, "event-type") == NULL)
		json_add_str(&body, "*");
	buf_adds(&body, "]}");
	api_path(ctl, &path, "webhooks", NULL);
	code = api_call(ctl, "POST", &path, &body, NULL, &answer);
	root = answer.doc.root;
	if (code == CTL_OK) {
		locator =
		    root != NULL && root->type == JSON_OBJECT ? json_get(root, "locator") : NULL;
		endpoint = locator != NULL ? json_get(root, "endpoint") : NULL;
		secret = endpoint != NULL && endpoint->type == JSON_OBJECT
			     ? json_get(endpoint, "secret")
			     : NULL;
		if (locator != NULL && locator->type == JSON_STRING)
			snprintf(listener->webhook, sizeof listener->webhook, "%s", locator->str);
		if (secret != NULL && secret->type == JSON_STRING &&
		    secret_fault(secret->str, secret->str_len) == NULL)
			listener->signer = signer_new(secret->str);
		else
			code = ctl_fail(CTL_FAILED, "the server's answer is not a signed webhook");
	}
	api_clear(&answer);
	buf_clear(&path);
	buf_clear(&body);
	return code;
}

static int
cmd_listen_unregister(struct listener *listener)
{
	struct buf path = {0};
	struct api_answer answer;
	int code;

	if (listener->webhook[0] == '\0')
		return CTL_OK;
	api_path(listener->ctl, &path, "webhooks", listener->webhook, NULL);
	code = api_call(listener->ctl, "DELETE", &path, NULL, NULL, &answer);
	api_clear(&answer);
	buf_clear(&path);
	return code;
}

static int
cmd_listen_secret(struct listener *listener, const char *file)
{
	struct buf secret = {0};
	int code = input_secret(file, &secret);

	if (code == CTL_OK && secret_fault(buf_str(&secret), secret.len) != NULL)
		code = ctl_fail(CTL_USAGE, "the secret in %s %s", file,
		    secret_fault(buf_str(&secret), secret.len));
	if (code == CTL_OK)
		listener->signer = signer_new(buf_str(&secret));
	if (secret.data != NULL)
		mem_wipe(secret.data, secret.cap);
	buf_clear(&secret);
	return code;
}

static void
cmd_listen_say(const struct listener *listener)
{
	const char *file = ctl_get(listener->ctl, "secret-file");

	fprintf(stderr, "listening on %s\n", listener->url);
	if (listener->webhook[0] != '\0')
		out_say("registered as webhook %s, which is deleted at the end (Ctrl-C)",
		    listener->webhook);
	else
		fprintf(stderr, "to deliver here: evhookctl webhooks create listen %s '*'%s%s\n",
		    listener->url, file != NULL ? " --secret-file " : "", file != NULL ? file : "");
}

static int
cmd_listen_open_forward(struct listener *listener, const char *url)
{
	int64_t timeout_ms;
	int code = ctl_time(listener->ctl, "timeout", &timeout_ms);
	char *why;

	if (code != CTL_OK)
		return code;
	listener->forward = http_new(url, ctl_get(listener->ctl, "ca-file"), timeout_ms, &why);
	if (listener->forward != NULL)
		return CTL_OK;
	code = ctl_fail(CTL_USAGE, "--forward-to %s: %s", url, why);
	free(why);
	return code;
}

static int
cmd_listen_options(struct listener *listener)
{
	struct ctl *ctl = listener->ctl;
	const char *file = ctl_get(ctl, "secret-file");
	size_t at = 0;
	int code = ctl_int(ctl, "status", 200, 599, &listener->status);

	listener->form = ctl_is(ctl, "json")      ? RECEIVED_JSON
			 : ctl_is(ctl, "headers") ? RECEIVED_HEADERS
						  : RECEIVED_TEXT;
	if (code == CTL_OK && ctl_get(ctl, "forward-to") != NULL &&
	    ctl_next(ctl, "status", &at) != NULL)
		code = ctl_fail(CTL_USAGE, "--forward-to answers by itself: no --status");
	if (code == CTL_OK && ctl_get(ctl, "forward-to") != NULL)
		code = cmd_listen_open_forward(listener, ctl_get(ctl, "forward-to"));
	if (code == CTL_OK)
		code = ctl_time(ctl, "delay", &listener->delay_ms);
	if (code == CTL_OK)
		code = ctl_int(ctl, "count", 1, INT32_MAX, &listener->left);
	if (code == CTL_OK && ctl_is(ctl, "register") && file != NULL)
		code =
		    ctl_fail(CTL_USAGE, "--register makes a secret of its own: no --secret-file");
	if (code == CTL_OK && file != NULL)
		code = cmd_listen_secret(listener, file);
	if (code == CTL_OK)
		code = cmd_listen_bind(listener, ctl_get(ctl, "listen"));
	if (code == CTL_OK && ctl_is(ctl, "register"))
		code = api_open(ctl);
	if (code == CTL_OK && ctl_is(ctl, "register"))
		code = cmd_listen_register(listener);
	return code;
}

static void
cmd_listen_free(struct listener *listener)
{
	struct late *late;

	/* evhttp_free() frees the requests that were never answered. */
	while ((late = LIST_FIRST(&listener->late)) != NULL) {
		LIST_REMOVE(late, entry);
		event_free(late->timer);
		if (late->body != NULL)
			evbuffer_free(late->body);
		free(late);
	}
	http_free(listener->forward);
	evhttp_free(listener->http);
	event_base_free(listener->base);
	signer_free(listener->signer);
}

int
cmd_listen(struct ctl *ctl)
{
	struct listener listener = {.ctl = ctl, .left = -1};
	struct event *interrupt, *terminate;
	int code, end;

	listener.base = event_base_new();
	listener.http = listener.base != NULL ? evhttp_new(listener.base) : NULL;
	if (listener.http == NULL)
		abort();
	evhttp_set_allowed_methods(listener.http, UINT16_MAX);
	evhttp_set_max_body_size(listener.http, LISTEN_BODY_MAX);
	evhttp_set_max_headers_size(listener.http, 65536);
	evhttp_set_timeout(listener.http, 120);
	evhttp_set_gencb(listener.http, cmd_listen_on_request, &listener);
	interrupt = evsignal_new(listener.base, SIGINT, cmd_listen_ev_signal, &listener);
	terminate = evsignal_new(listener.base, SIGTERM, cmd_listen_ev_signal, &listener);
	event_add(interrupt, NULL);
	event_add(terminate, NULL);
	code = cmd_listen_options(&listener);
	if (code == CTL_OK) {
		cmd_listen_say(&listener);
		event_base_dispatch(listener.base);
		if (listener.wrong > 0)
			code =
			    ctl_fail(CTL_FAILED, "%zu deliveries did not verify", listener.wrong);
	}
	end = cmd_listen_unregister(&listener);
	event_free(interrupt);
	event_free(terminate);
	cmd_listen_free(&listener);
	return code != CTL_OK ? code : end;
}
