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

/* The answer's head is whole, so the outcome stands, however the rest ended. */
static void
post_answered(struct post *post)
{
	post_phases(post);
	post_settle(post, post->answer.status, "");
}

static void
post_on_data(void *arg, struct conn *conn, const char *p, size_t n)
{
	struct post *post = arg;
	struct answer *answer = &post->answer;
	bool all;

	if (post->state != POST_EXCHANGE && post->state != POST_BODY)
		return;
	all = answer_feed(answer, p, n) == n;
	if (answer_has_head(answer) && post->state == POST_EXCHANGE) {
		post->result.status = answer->status;
		post_enter(post, POST_BODY);
	}
	if (!answer_is_over(answer))
		return;
	if (post_is_stale(post)) {
		post_enter(post, POST_AGAIN);
		return;
	}
	if (!answer_has_head(answer)) {
		post_phases(post);
		post_settle(post, 0, answer->why);
		return;
	}
	post_answered(post);
	if (all && !answer->closes && conn_is_ready(conn)) {
		post->conn = NULL;
		pool_give(post->poster->pool, conn);
	}
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

	if (post->state != POST_EXCHANGE && post->state != POST_BODY)
		return;
	if (post->state == POST_BODY) {
		answer_end(&post->answer);
		post_answered(post);
		return;
	}
	if (post_is_stale(post)) {
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
