/* A POST on its connection: sent, answered or not, and what that means for both. */
#include <errno.h>

#include "base/clock.h"
#include "deliver/post_priv.h"
#include "deliver/words.h"

static void post_on_data(void *arg, struct conn *conn, const char *p, size_t n);
static void post_on_end(void *arg, struct conn *conn);

static const struct conn_user post_user = {post_on_data, post_on_end};

void
post_exchange(struct post *post, struct conn *conn)
{
	const struct poster_opts *opts = &post->poster->opts;

	post->conn = conn;
	answer_reset(&post->answer, opts->max_body, opts->keep_body);
	post->result.starved = false;
	post->result.reused = conn->uses > 0;
	post->sent_us = clock_mono_us();
	post_enter(post, POST_EXCHANGE);
	conn_use(conn, &post_user, post);
	conn_send(conn, post->head.data, post->head.len, post->body, post->body_len);
}

void
post_phases(struct post *post)
{
	struct post_result *result = &post->result;
	const struct conn *conn = post->conn;

	if (conn == NULL)
		return;
	if (!result->reused && conn->connected_us > 0)
		result->connect_us = conn->connected_us - conn->start_us;
	if (!result->reused && conn->stream.ssl != NULL && conn->open_us > 0)
		result->tls_us = conn->open_us - conn->connected_us;
	if (conn->first_byte_us > 0)
		result->first_byte_us =
		    conn->first_byte_us - (result->reused ? post->sent_us : conn->open_us);
}

/*
 * A connection that served before may be closed by the peer just as we use it again; a POST that
 * got no byte of an answer on it is sent once more on a fresh one (RFC 9112, 9.3.1 and 9.5: an
 * idle connection's end says nothing about the request; receivers know repeated events by their
 * ids).  Bytes that are no answer belong to the one before, whose body came late.  A fresh
 * connection's failure is the endpoint's, and is reported.
 */
static bool
post_is_stale(const struct post *post)
{
	return post->result.reused &&
	       (post->conn->received == 0 || answer_is_foreign(&post->answer));
}

/* The answer's head is whole, so the outcome stands, however the rest ends. */
static void
post_stands(struct post *post)
{
	if (post->head_us > 0)
		return;
	post->head_us = clock_mono_us();
	post->result.status = post->answer.status;
	post->result.message = "";
	post->result.total_us = post->head_us - post->start_us;
	post_phases(post);
}

/* A request that is still being sent cannot be: what it lent us goes with the result. */
void
post_drain(struct post *post)
{
	struct poster *poster = post->poster;

	if (!conn_is_ready(post->conn) || !pool_read_on(poster->pool, post->conn)) {
		post_enter(post, POST_DONE);
		return;
	}
	poster_move(post, &poster->drains, post->head_us + poster->opts.body_ms * 1000);
	post_enter(post, POST_DRAIN);
	poster_enqueue(post);
}

/* The head is there, and more of the body to come. */
static void
post_read_on(struct post *post)
{
	const struct poster_opts *opts = &post->poster->opts;
	bool good = post->answer.status >= 200 && post->answer.status <= 299;
	int64_t until;

	post_stands(post);
	if (post->answer.body.len == post->answer.keep) {
		post_drain(post);
		return;
	}
	if (post->state == POST_BODY)
		return;
	if (!pool_read_on(post->poster->pool, post->conn)) {
		post_enter(post, POST_DONE);
		return;
	}
	until = post->head_us + (good ? opts->wait_ms : opts->body_ms) * 1000;
	if (until > post->deadline_us)
		until = post->deadline_us;
	poster_move(post, &post->poster->bodies, until);
	post_enter(post, POST_BODY);
	if (post->on_head != NULL)
		poster_enqueue(post);
}

/* Nothing more of it will come. */
static void
post_is_over(struct post *post, struct conn *conn, bool all)
{
	if (post_is_stale(post)) {
		post_enter(post, POST_AGAIN);
		return;
	}
	if (!answer_has_head(&post->answer)) {
		post_phases(post);
		post_settle(post, 0, post->answer.why);
		return;
	}
	post_stands(post);
	post_enter(post, POST_DONE);
	if (all && !post->answer.closes && conn_is_ready(conn)) {
		post->conn = NULL;
		pool_give(post->poster->pool, conn);
	}
}

static bool
post_is_listening(const struct post *post)
{
	return post->state == POST_EXCHANGE || post->state == POST_BODY ||
	       post->state == POST_DRAIN;
}

static void
post_on_data(void *arg, struct conn *conn, const char *p, size_t n)
{
	struct post *post = arg;
	struct answer *answer = &post->answer;
	bool all;

	if (!post_is_listening(post))
		return;
	all = answer_feed(answer, p, n) == n;
	if (answer_is_over(answer))
		post_is_over(post, conn, all);
	else if (answer_has_head(answer) && post->state != POST_DRAIN)
		post_read_on(post);
}

/*
 * A TLS session that the peer cannot stand is offered no more.  A handshake that ended with it is
 * begun once more without; after the handshake the peer may have taken the request, and the failure
 * is told.
 */
static bool
post_resumed_badly(struct post *post, struct conn *conn)
{
	bool early = conn->ended_in == CONN_TLS && !conn_is_late(conn);

	if (!conn->resumes || conn->uses > 1 || conn->received > 0)
		return false;
	pool_forget_session(post->poster->pool, conn);
	if (!early || post->no_session)
		return false;
	post->no_session = true;
	post->tried--;
	return true;
}

/* There was no connection: of several addresses the first one's failure is told.  True when there
 * is another to try. */
static bool
post_unconnected(struct post *post, const struct conn *conn)
{
	const char *words = words_end(conn, post->message, sizeof post->message);

	post->result.starved = conn->stream.error == EMFILE || conn->stream.error == ENFILE;
	if (post->result.starved)
		pool_yield(post->poster->pool);
	if (post->result.message == NULL)
		post->result.message = words;
	return post->tried < post->naddrs;
}

static void
post_on_end(void *arg, struct conn *conn)
{
	struct post *post = arg;

	if (!post_is_listening(post))
		return;
	if (post->head_us > 0) {
		answer_end(&post->answer);
		post_enter(post, POST_DONE);
		return;
	}
	if (post_is_stale(post) || post_resumed_badly(post, conn)) {
		post_enter(post, POST_AGAIN);
		return;
	}
	if (conn->ended_in == CONN_CONNECT || conn_is_late(conn)) {
		if (post_unconnected(post, conn)) {
			post_enter(post, POST_AGAIN);
			return;
		}
	} else {
		post->result.message = words_end(conn, post->message, sizeof post->message);
	}
	post_phases(post);
	post_settle(post, 0, post->result.message);
}
