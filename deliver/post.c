/* One POST: where to, over which connection, and what came of it. */
#include "deliver/post.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "deliver/post_priv.h"
#include "deliver/words.h"

/* Smaller bodies share a TLS record with the head. */
#define POST_COPY_MAX 8192

static resolve_done_fn post_on_addresses;

static const char *const post_state_names[] = {
    "new", "resolve", "exchange", "body", "drain", "again", "done"};

/* The only place where the state changes. */
void
post_enter(struct post *post, enum post_state state)
{
	if (log_on(LOG_DEBUG)) {
		log_begin(LOG_DEBUG, "post");
		log_str("host", post->told ? "-" : post->url->host);
		log_str("from", post_state_names[post->state]);
		log_str("to", post_state_names[state]);
		log_end();
	}
	post->state = state;
	if (state == POST_AGAIN || state == POST_DONE)
		poster_enqueue(post);
}

/* The outcome stands; fn hears of it from the queue, and addresses that come until then are
 * nobody's any more.  message is a constant or in post->message. */
void
post_settle(struct post *post, int status, const char *message)
{
	resolve_cancel(&post->wait);
	post->result.status = status;
	post->result.message = message;
	if (post->head_us == 0)
		post->result.total_us = clock_mono_us() - post->start_us;
	post_enter(post, POST_DONE);
}

static void
post_add_header(struct buf *head, const char *name, const char *value)
{
	buf_adds(head, name);
	buf_adds(head, ": ");
	buf_adds(head, value);
	buf_adds(head, "\r\n");
}

static bool
post_names_agent(const struct post_request *from)
{
	for (size_t i = 0; i < from->nheaders; i++)
		if (strcasecmp(from->headers[i].name, "User-Agent") == 0)
			return true;
	return false;
}

static void
post_compose(struct post *post, const struct post_request *from)
{
	struct buf *head = &post->head;

	buf_adds(head, "POST ");
	buf_adds(head, post->url->target);
	buf_adds(head, " HTTP/1.1\r\n");
	post_add_header(head, "Host", post->url->authority);
	buf_adds(head, "Content-Length: ");
	buf_addu(head, post->body_len);
	buf_adds(head, "\r\n");
	if (!post_names_agent(from))
		post_add_header(head, "User-Agent", post->poster->user_agent);
	for (size_t i = 0; i < from->nheaders; i++)
		post_add_header(head, from->headers[i].name, from->headers[i].value);
	buf_adds(head, "\r\n");
	if (post->url->tls && post->body_len <= POST_COPY_MAX) {
		buf_add(head, post->body, post->body_len);
		post->body_len = 0;
	}
}

/* Each address but the last has its share of what is left of the time. */
static void
post_connect(struct post *post)
{
	size_t left = post->naddrs - post->tried;
	int64_t ms = (post->deadline_us - clock_mono_us()) / 1000;
	struct poster *poster = post->poster;
	struct conn *conn;

	if (ms < 1)
		ms = 1;
	conn = pool_open(poster->pool, post->url, post->verify, &post->addrs[post->tried++],
	    left > 1 ? ms / (int64_t)left + 1 : 0);
	if (conn == NULL) {
		post_settle(post, 0, "TLS cannot be set up");
		return;
	}
	poster->totals.connects++;
	post_exchange(post, conn);
}

/* What the operator may know, and the endpoint's owner may not. */
static void
post_log_refusal(const struct post *post, const union resolve_addr *addr, const char *why)
{
	char text[INET6_ADDRSTRLEN];
	const void *raw =
	    addr->sa.sa_family == AF_INET ? (const void *)&addr->v4.sin_addr : &addr->v6.sin6_addr;

	if (!log_on(LOG_WARN))
		return;
	inet_ntop(addr->sa.sa_family, raw, text, sizeof text);
	log_begin(LOG_WARN, "endpoint not allowed");
	log_str("host", post->url->host);
	log_str("address", text);
	log_int("port", post->url->port);
	log_str("reason", why);
	log_end();
}

/*
 * The same text whatever the address, the port and the reason: an endpoint's owner must not learn
 * what listens inside, nor where names lead there.  One forbidden address forbids all of an answer,
 * for a mix of public and private ones is how rebinding hides.
 */
static bool
post_refuse(struct post *post, const union resolve_addr *addr)
{
	const char *why = egress_refusal(post->poster->opts.egress, &addr->sa);

	if (why == NULL)
		return false;
	post_log_refusal(post, addr, why);
	snprintf(post->message, sizeof post->message,
	    post->url->kind == URL_HOST_NAME ? "an address of host %s is not allowed"
					     : "address %s is not allowed",
	    post->url->host);
	post_settle(post, 0, post->message);
	return true;
}

static void
post_on_addresses(void *arg, const struct resolve_answer *answer)
{
	struct post *post = arg;

	post->result.dns_us = clock_mono_us() - post->start_us;
	if (answer->failure != NULL) {
		post->result.starved = answer->starved;
		post_settle(post, 0, answer->failure);
		return;
	}
	for (size_t i = 0; i < answer->n; i++) {
		union resolve_addr addr = answer->list[i];

		addr.v4.sin_port = htons(post->url->port); /* IPv6 has it in the same place */
		if (post_refuse(post, &addr))
			return;
		if (i < POST_TRIES)
			post->addrs[post->naddrs++] = addr;
	}
	post_connect(post);
}

static void
post_find_addresses(struct post *post)
{
	const struct resolve_answer *answer;
	const struct url *url = post->url;

	post->naddrs = post->tried = 0;
	if (url->kind != URL_HOST_NAME) {
		memcpy(&post->addrs[0], &url->addr, sizeof post->addrs[0]);
		post->naddrs = 1;
		if (!post_refuse(post, &post->addrs[0]))
			post_connect(post);
		return;
	}
	answer = resolve_known(post->poster->resolver, url->host);
	if (answer != NULL) {
		post_on_addresses(post, answer);
		return;
	}
	post_enter(post, POST_RESOLVE);
	resolve_start(
	    post->poster->resolver, url->host, post->group, &post->wait, post_on_addresses, post);
}

struct post *
post_start(struct poster *poster, const struct post_request *request, post_done_fn *fn, void *arg)
{
	struct post *post = poster_add(poster, request->timeout_ms);
	struct conn *conn;

	post->fn = fn;
	post->on_head = request->on_head;
	post->arg = arg;
	post->url = request->url;
	post->group = request->group;
	post->verify = request->verify;
	post->body = request->body;
	post->body_len = request->body_len;
	post->result.dns_us = post->result.connect_us = post->result.tls_us = -1;
	post->result.first_byte_us = -1;
	post_compose(post, request);
	conn = pool_take(poster->pool, post->url, post->verify);
	if (conn != NULL) {
		poster->totals.reuses++;
		post_exchange(post, conn);
	} else {
		post_find_addresses(post);
	}
	return post;
}

void
post_release(struct post *post)
{
	resolve_cancel(&post->wait);
	if (post->conn != NULL)
		pool_close(post->poster->pool, post->conn);
	post->conn = NULL;
}

void
post_cancel(struct post *post)
{
	post_release(post);
	poster_remove(post);
}

/* Another connection: to the next address, or instead of an idle one that was closed. */
void
post_again(struct post *post)
{
	pool_close(post->poster->pool, post->conn);
	post->conn = NULL;
	if (post->tried > 0)
		post_connect(post);
	else
		post_find_addresses(post);
}

static void
post_count(struct poster_stats *totals, const struct post_result *result)
{
	histogram_add(&totals->dns, result->dns_us);
	histogram_add(&totals->connect, result->connect_us);
	histogram_add(&totals->tls, result->tls_us);
	histogram_add(&totals->first_byte, result->first_byte_us);
	histogram_add(&totals->total, result->total_us);
}

void
post_tell_head(struct post *post)
{
	struct post_result result = post->result;

	result.message = result.body = "";
	if (post->answer.retry_after[0] != '\0')
		result.retry_after = post->answer.retry_after;
	post->on_head(post->arg, &result); /* it may have cancelled */
}

/* From now on nothing of the request is ours any more. */
void
post_tell(struct post *post)
{
	post->told = true;
	post->url = NULL;
	post->body = NULL;
	post_count(&post->poster->totals, &post->result);
	post->result.body = buf_str(&post->answer.body);
	post->result.body_len = post->answer.body.len;
	if (post->answer.retry_after[0] != '\0')
		post->result.retry_after = post->answer.retry_after;
	post->fn(post->arg, &post->result);
}

void
post_finish(struct post *post)
{
	post_release(post);
	if (!post->told)
		post_tell(post);
}

void
post_expire(struct post *post)
{
	const char *words = "timed out while resolving the host name";

	switch (post->state) {
	case POST_DONE:
		return;
	case POST_BODY:
		post_drain(post);
		return;
	case POST_DRAIN:
		post_enter(post, POST_DONE);
		return;
	default:
		break;
	}
	if (post->conn != NULL) {
		words = words_timeout(post->conn);
		if (post->conn->phase == CONN_TLS)
			pool_forget_session(post->poster->pool, post->conn);
	}
	post->result.timed_out = true;
	post_phases(post);
	post_settle(post, 0, words);
}
