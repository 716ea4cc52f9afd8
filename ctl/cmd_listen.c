/* evhookctl listen: a receiver that verifies and prints what evhookd delivers. */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/mem.h"
#include "ctl/api.h"
#include "ctl/input.h"
#include "ctl/out.h"
#include "ctl/received.h"

#define LISTEN_BODY_MAX (64 * 1024 * 1024)

/* A delivery whose answer is put off. */
struct late {
	LIST_ENTRY(late) entry;
	struct event *timer;
	struct evhttp_request *request;
	struct listener *listener;
};

struct listener {
	struct ctl *ctl;
	struct event_base *base;
	struct evhttp *http;
	struct signer *signer; /* NULL: signatures are not checked */
	int64_t status;
	int64_t delay_ms;
	int64_t left; /* deliveries still wanted; -1 for all */
	size_t wrong; /* that did not verify */
	LIST_HEAD(, late) late;
	char url[96];
	char webhook[32]; /* that --register has made; "" for none */
};

static void
cmd_listen_answer(struct listener *listener, struct evhttp_request *request)
{
	evhttp_send_reply(request, (int)listener->status, NULL, NULL);
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
	cmd_listen_answer(late->listener, late->request);
	free(late);
}

static void
cmd_listen_later(struct listener *listener, struct evhttp_request *request)
{
	struct timeval tv = {
	    .tv_sec = listener->delay_ms / 1000, .tv_usec = listener->delay_ms % 1000 * 1000};
	struct late *late = xcalloc(1, sizeof *late);

	late->request = request;
	late->listener = listener;
	late->timer = evtimer_new(listener->base, cmd_listen_ev_late, late);
	LIST_INSERT_HEAD(&listener->late, late, entry);
	evtimer_add(late->timer, &tv);
}

static void
cmd_listen_on_request(struct evhttp_request *request, void *arg)
{
	struct listener *listener = arg;

	if (listener->left == 0) {
		/* One more than was wanted: not taken, so that it is not lost either. */
		evhttp_send_reply(request, 503, NULL, NULL);
		return;
	}
	if (received_print(request, listener->signer, (int)listener->status,
		ctl_is(listener->ctl, "json")) != 0)
		listener->wrong++;
	if (fflush(stdout) != 0)
		event_base_loopexit(listener->base, NULL);
	if (listener->left > 0)
		listener->left--;
	if (listener->delay_ms > 0)
		cmd_listen_later(listener, request);
	else
		cmd_listen_answer(listener, request);
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
cmd_listen_options(struct listener *listener)
{
	struct ctl *ctl = listener->ctl;
	const char *file = ctl_get(ctl, "secret-file");
	int code = ctl_int(ctl, "status", 200, 599, &listener->status);

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
		free(late);
	}
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
