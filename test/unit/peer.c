/* Servers on the loopback that do what a test says, and a poster to try on them. */
#include "test/unit/peer.h"

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/resolve.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct peer_conn {
	struct peer *peer;
	struct bufferevent *bev;
	bool acted;      /* on the request that is coming in */
	bool close_next; /* when all is written */
	TAILQ_ENTRY(peer_conn) link;
};

struct peer {
	struct event_base *base;
	struct evconnlistener *listener;
	const struct peer_act *acts;
	size_t nacts;
	SSL_CTX *ctx;
	unsigned acted, accepted, requests, closed, resumed;
	size_t sent;
	struct buf last;
	TAILQ_HEAD(peer_conns, peer_conn) conns;
};

static void
peer_conn_free(struct peer_conn *conn)
{
	TAILQ_REMOVE(&conn->peer->conns, conn, link);
	bufferevent_free(conn->bev);
	free(conn);
}

static const struct peer_act *
peer_act(const struct peer *peer)
{
	return &peer->acts[peer->acted < peer->nacts ? peer->acted : peer->nacts - 1];
}

static void
peer_reset(struct peer_conn *conn)
{
	struct linger linger = {.l_onoff = 1};

	setsockopt(bufferevent_getfd(conn->bev), SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	peer_conn_free(conn);
}

/* False when the connection is gone. */
static bool
peer_do(struct peer_conn *conn)
{
	struct peer *peer = conn->peer;
	const struct peer_act *act = peer_act(peer);
	struct evbuffer *output = bufferevent_get_output(conn->bev);

	peer->acted++;
	conn->acted = true;
	if (act->send != NULL)
		evbuffer_add(output, act->send, act->len > 0 ? act->len : strlen(act->send));
	if (act->pad > 0) {
		char *pad = xmalloc(act->pad);

		memset(pad, 'x', act->pad);
		evbuffer_add(output, pad, act->pad);
		free(pad);
	}
	if (act->end == PEER_RESET) {
		peer_reset(conn);
		return false;
	}
	if (act->end == PEER_CLOSE) {
		conn->close_next = true;
		if (evbuffer_get_length(output) == 0) {
			peer_conn_free(conn);
			return false;
		}
	}
	return true;
}

/* The length of the first request in the buffer, 0: not whole yet. */
static size_t
peer_request_len(struct evbuffer *input)
{
	struct evbuffer_ptr end = evbuffer_search(input, "\r\n\r\n", 4, NULL);
	size_t len, head = end.pos < 0 ? 0 : (size_t)end.pos + 4;
	char *text;
	const char *length;

	if (head == 0)
		return 0;
	text = xmalloc(head + 1);
	evbuffer_copyout(input, text, head);
	text[head] = '\0';
	length = strstr(text, "\r\nContent-Length: ");
	len = head + (length != NULL ? strtoul(length + 18, NULL, 10) : 0);
	free(text);
	return evbuffer_get_length(input) >= len ? len : 0;
}

static void
peer_ev_read(struct bufferevent *bev, void *arg)
{
	struct peer_conn *conn = arg;
	struct peer *peer = conn->peer;
	struct evbuffer *input = bufferevent_get_input(bev);
	size_t len;

	if (conn->close_next)
		return;
	if (!conn->acted && peer_act(peer)->at_head && !peer_do(conn))
		return;
	while (!conn->close_next && (len = peer_request_len(input)) > 0) {
		peer->requests++;
		buf_reset(&peer->last);
		buf_reserve(&peer->last, len);
		evbuffer_remove(input, peer->last.data, len);
		peer->last.len = len;
		if (!conn->acted && !peer_do(conn))
			return;
		conn->acted = false;
	}
}

static void
peer_ev_write(struct bufferevent *bev, void *arg)
{
	struct peer_conn *conn = arg;

	(void)bev;
	if (conn->close_next)
		peer_conn_free(conn);
}

static void
peer_ev_event(struct bufferevent *bev, short what, void *arg)
{
	struct peer_conn *conn = arg;

	if ((what & BEV_EVENT_CONNECTED) != 0) {
		SSL *ssl = bufferevent_openssl_get_ssl(bev);

		conn->peer->resumed += ssl != NULL && SSL_session_reused(ssl);
		return;
	}
	conn->peer->closed++;
	peer_conn_free(conn);
}

static void
peer_ev_output(struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	struct peer *peer = arg;

	(void)output;
	peer->sent += info->n_deleted;
}

static void
peer_ev_accept(
    struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct peer *peer = arg;
	struct peer_conn *conn = xcalloc(1, sizeof *conn);

	(void)listener;
	(void)sa;
	(void)len;
	conn->peer = peer;
	if (peer->ctx == NULL)
		conn->bev = bufferevent_socket_new(peer->base, fd, BEV_OPT_CLOSE_ON_FREE);
	else
		conn->bev = bufferevent_openssl_socket_new(peer->base, fd, SSL_new(peer->ctx),
		    BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	TAILQ_INSERT_TAIL(&peer->conns, conn, link);
	bufferevent_setcb(conn->bev, peer_ev_read, peer_ev_write, peer_ev_event, conn);
	bufferevent_enable(conn->bev, EV_READ | EV_WRITE);
	evbuffer_add_cb(bufferevent_get_output(conn->bev), peer_ev_output, peer);
	peer->accepted++;
	if (peer_act(peer)->at_accept)
		peer_do(conn);
}

static struct peer *
peer_listen(struct event_base *base, const struct peer_act *acts, size_t nacts,
    const struct sockaddr *sa, int len)
{
	struct peer *peer = xcalloc(1, sizeof *peer);

	peer->base = base;
	peer->acts = acts;
	peer->nacts = nacts;
	TAILQ_INIT(&peer->conns);
	peer->listener = evconnlistener_new_bind(
	    base, peer_ev_accept, peer, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16, sa, len);
	assert_non_null(peer->listener);
	return peer;
}

struct peer *
peer_new(struct event_base *base, const struct peer_act *acts, size_t nacts)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return peer_listen(base, acts, nacts, (struct sockaddr *)&sin, sizeof sin);
}

struct peer *
peer_new6(struct event_base *base, const struct peer_act *acts, size_t nacts)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	return peer_listen(base, acts, nacts, (struct sockaddr *)&sin6, sizeof sin6);
}

void
peer_set_tls(struct peer *peer, SSL_CTX *ctx)
{
	peer->ctx = ctx;
}

void
peer_close_idle(struct peer *peer)
{
	struct peer_conn *conn;

	while ((conn = TAILQ_FIRST(&peer->conns)) != NULL)
		peer_conn_free(conn);
}

void
peer_free(struct peer *peer)
{
	peer_close_idle(peer);
	evconnlistener_free(peer->listener);
	SSL_CTX_free(peer->ctx);
	buf_clear(&peer->last);
	free(peer);
}

unsigned
peer_port(const struct peer *peer)
{
	union resolve_addr addr;
	socklen_t len = sizeof addr;

	getsockname(evconnlistener_get_fd(peer->listener), &addr.sa, &len);
	return ntohs(addr.v4.sin_port); /* IPv6 has it in the same place */
}

unsigned
peer_accepted(const struct peer *peer)
{
	return peer->accepted;
}

unsigned
peer_requests(const struct peer *peer)
{
	return peer->requests;
}

unsigned
peer_closed(const struct peer *peer)
{
	return peer->closed;
}

size_t
peer_sent(const struct peer *peer)
{
	return peer->sent;
}

unsigned
peer_resumed(const struct peer *peer)
{
	return peer->resumed;
}

void
peer_push(struct peer *peer, const char *text)
{
	struct peer_conn *conn = TAILQ_LAST(&peer->conns, peer_conns);

	assert_int_equal(send(bufferevent_getfd(conn->bev), text, strlen(text), 0), strlen(text));
}

void
peer_change_keys(struct peer *peer, unsigned n, const char *text)
{
	struct peer_conn *conn = TAILQ_LAST(&peer->conns, peer_conns);
	SSL *ssl = bufferevent_openssl_get_ssl(conn->bev);

	while (n-- > 0) {
		assert_int_equal(SSL_key_update(ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(ssl), 1);
	}
	assert_int_equal(SSL_write(ssl, text, (int)strlen(text)), strlen(text));
}

const char *
peer_last(struct peer *peer)
{
	return buf_str(&peer->last);
}

void
try_init(struct try *t)
{
	static const struct post_header headers[] = {
	    {"Content-Type", "application/json"}, {"X-Test", "a b"}};

	signal(SIGPIPE, SIG_IGN);
	memset(t, 0, sizeof *t);
	t->base = event_base_new();
	t->headers = headers;
	t->nheaders = 2;
	assert_int_equal(cidr_parse(&t->allow[0], "127.0.0.0/8"), 0);
	assert_int_equal(cidr_parse(&t->allow[1], "::1"), 0);
	t->egress.allow = t->allow;
	t->egress.nallow = 2;
	t->opts.base = t->base;
	t->opts.egress = &t->egress;
	t->opts.user_agent = "evhookd-test";
	t->opts.max_body = 65536;
	t->opts.keep_body = 1024;
	t->opts.body_ms = 2000;
	t->opts.wait_ms = 100;
	t->opts.idle_ms = 60000;
	t->opts.max_age_ms = 60000;
	t->opts.max_idle = 64;
	t->opts.max_open = 1024;
}

void
try_start(struct try *t)
{
	char *why = NULL;

	t->poster = poster_new(&t->opts, &why);
	if (t->poster == NULL)
		fail_msg("%s", why);
}

void
try_clear(struct try *t)
{
	poster_free(t->poster);
	/* What libevent deferred (bufferevents, DNS queries) ends in one more turn. */
	event_base_loop(t->base, EVLOOP_NONBLOCK);
	event_base_free(t->base);
}

static void
tried_on_done(void *arg, const struct post_result *result)
{
	struct tried *tried = arg;
	size_t n =
	    result->body_len < sizeof tried->body ? result->body_len : sizeof tried->body - 1;

	tried->calls++;
	tried->post = NULL;
	tried->result = *result;
	assert_non_null(result->message);
	strncpy(tried->message, result->message, sizeof tried->message - 1);
	memcpy(tried->body, result->body, n);
	tried->body[n] = '\0';
	tried->result.message = tried->message;
	tried->result.body = tried->body;
	if (result->retry_after != NULL) {
		strncpy(tried->retry_after, result->retry_after, sizeof tried->retry_after - 1);
		tried->result.retry_after = tried->retry_after;
	}
}

static void
tried_on_head(void *arg, const struct post_result *result)
{
	struct tried *tried = arg;

	tried->heads++;
	assert_int_equal(tried->calls, 0);
	assert_string_equal(result->message, "");
	assert_int_equal(result->body_len, 0);
	tried->result.status = result->status;
	if (tried->cancels)
		post_cancel(tried->post);
}

void
tried_start(struct tried *tried, struct try *t, bool verify, const void *body, size_t len,
    int64_t timeout_ms, const char *fmt, ...)
{
	struct post_request request = {.url = &tried->url,
	    .verify = verify,
	    .headers = t->headers,
	    .nheaders = t->nheaders,
	    .body = body,
	    .body_len = len,
	    .timeout_ms = timeout_ms,
	    .on_head = tried_on_head};
	const char *why = NULL;
	struct buf buf = {0};
	va_list ap;

	memset(tried, 0, sizeof *tried);
	va_start(ap, fmt);
	buf_vprintf(&buf, fmt, ap);
	va_end(ap);
	if (url_parse(&tried->url, buf.data, buf.len, &why) < 0)
		fail_msg("%s", why);
	buf_clear(&buf);
	tried->t = t;
	tried->post = post_start(t->poster, &request, tried_on_done, tried);
	assert_int_equal(tried->calls, 0);
}

void
tried_wait_head(struct tried *tried)
{
	int64_t end = clock_mono_ms() + 20000;

	while (tried->heads == 0) {
		event_base_loop(tried->t->base, EVLOOP_ONCE);
		if (clock_mono_ms() > end)
			fail_msg("no head");
	}
	assert_int_equal(tried->heads, 1);
}

void
tried_wait(struct tried *tried)
{
	int64_t end = clock_mono_ms() + 20000;

	while (tried->calls == 0) {
		event_base_loop(tried->t->base, EVLOOP_ONCE);
		if (clock_mono_ms() > end)
			fail_msg("no result");
	}
	assert_int_equal(tried->calls, 1);
}

void
tried_wait_for(
    struct try *t, unsigned (*count)(const struct peer *), const struct peer *peer, unsigned n)
{
	int64_t end = clock_mono_ms() + 20000;

	while (count(peer) < n) {
		event_base_loop(t->base, EVLOOP_ONCE);
		if (clock_mono_ms() > end)
			fail_msg("it did not happen");
	}
}
