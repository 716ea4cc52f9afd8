/* What evhttp says of a POST: head, body, end or failure.  All of it runs below evhttp. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/mem.h"
#include "deliver/post_priv.h"
#include "deliver/words.h"

void
post_answer_phases(struct post *post)
{
	struct post_result *result = &post->result;
	const struct conn *conn = post->conn;

	if (conn == NULL)
		return;
	if (!result->reused && conn->connected_us > 0)
		result->connect_us = conn->connected_us - conn->start_us;
	if (!result->reused && conn->ssl != NULL && conn->open_us > 0)
		result->tls_us = conn->open_us - conn->connected_us;
	if (conn->first_byte_us > 0)
		result->first_byte_us =
		    conn->first_byte_us - (result->reused ? post->sent_us : conn->open_us);
}

/* The answer ended, one way or another, after its head. */
static void
post_answer_end(struct post *post)
{
	post_answer_phases(post);
	post_settle(post, post->result.status, "");
}

/*
 * Reads what matters in the headers.  evhttp takes the first of two Content-Lengths, ignores an
 * odd Transfer-Encoding and understands no list in Connection, and HTTP/1.0 closes by default:
 * whatever may have been misread or will be closed does not stay in the pool, where the rest of one
 * answer would be taken for the next.
 */
static void
post_answer_headers(struct post *post, struct evhttp_request *request)
{
	unsigned lengths = 0, codings = 0;
	bool has_body = false;
	struct evkeyval *header;

	TAILQ_FOREACH(header, request->input_headers, next)
	{
		if (strcasecmp(header->key, "Content-Length") == 0) {
			lengths++;
			has_body = has_body || strcmp(header->value, "0") != 0;
		} else if (strcasecmp(header->key, "Transfer-Encoding") == 0) {
			codings += strcasecmp(header->value, "chunked") == 0 ? 1 : 2;
			has_body = true;
		} else if (strcasecmp(header->key, "Connection") == 0) {
			if (strcasestr(header->value, "close") != NULL)
				post->reusable = false;
		} else if (strcasecmp(header->key, "Retry-After") == 0) {
			size_t len = strlen(header->value);

			if (len < sizeof post->retry_after) {
				memcpy(post->retry_after, header->value, len + 1);
				post->result.retry_after = post->retry_after;
			}
		}
	}
	if (request->major != 1 || request->minor < 1)
		post->reusable = false;
	if (post->result.status == 204 || post->result.status == 304) {
		if (has_body)
			post->reusable = false;
	} else if (post->result.status < 200 || lengths + codings != 1) {
		post->reusable = false; /* interim, or framed twice, oddly or by the end */
	}
	/* The limit is ours (post_answer_on_body), so that the beginning of the body is kept; a
	 * chunk comes only when it is whole, so there evhttp must look at its size. */
	evhttp_connection_set_max_body_size(
	    post->conn->evcon, codings > 0 ? (ev_ssize_t)post->poster->opts.max_body : -1);
}

/* The head is whole: the outcome stands.  -1 ends the exchange. */
static int
post_answer_on_head(struct evhttp_request *request, void *arg)
{
	struct post *post = arg;
	int code = evhttp_request_get_response_code(request);

	if (post->state != POST_EXCHANGE)
		return -1;
	if (code == 100) {
		/* evhttp goes on to the next head and would add its headers to these. */
		evhttp_clear_headers(request->input_headers);
		return post->conn->received > CONN_HEAD_MAX ? -1 : 0;
	}
	if (code < 100 || code > 599) {
		post_answer_phases(post);
		post_settle(post, 0, "the answer's status is not valid");
		return -1;
	}
	post->result.status = code;
	post_answer_headers(post, request);
	post_enter(post, POST_BODY);
	return 0;
}

static void
post_answer_on_body(struct evhttp_request *request, void *arg)
{
	struct post *post = arg;
	struct evbuffer *input = evhttp_request_get_input_buffer(request);
	size_t n = evbuffer_get_length(input);
	size_t room = post->poster->opts.keep_body - post->kept.len;

	if (post->state != POST_BODY)
		return;
	post->body_seen += n;
	if (n > room)
		n = room;
	if (n > 0) {
		buf_reserve(&post->kept, n);
		evbuffer_copyout(input, post->kept.data + post->kept.len, n);
		post->kept.len += n;
	}
	if (post->body_seen > post->poster->opts.max_body)
		post_answer_end(post);
}

static void
post_answer_on_error(enum evhttp_request_error error, void *arg)
{
	struct post *post = arg;

	post->error = (int)error;
	post->error_no = errno;
}

/*
 * A connection that served before may be closed by the peer just as we use it again; a POST that
 * got no byte of an answer on it is sent once more on a fresh one (RFC 9112, 9.3.1 and 9.5: an
 * idle connection's end says nothing about the request; receivers know repeated events by their
 * ids).  A fresh connection's failure is the endpoint's, and is reported.
 */
static bool
post_answer_is_stale(const struct post *post)
{
	return post->result.reused && post->conn->received == 0 && post->error == EVREQ_HTTP_EOF;
}

static void
post_answer_on_failure(struct post *post)
{
	struct conn *conn = post->conn;
	const char *words;

	if (post->state == POST_BODY) {
		post_answer_end(post);
		return;
	}
	if (post_answer_is_stale(post)) {
		post_enter(post, POST_AGAIN);
		return;
	}
	if (conn->open_us > 0)
		words = words_exchange(conn, post->error, post->message, sizeof post->message);
	else if (conn->phase == CONN_TLS)
		words = words_tls(conn, post->message, sizeof post->message);
	else
		words = words_connect(conn, post->error < 0 ? ECONNREFUSED : post->error_no);
	post->result.starved =
	    conn->phase == CONN_CONNECT && (post->error_no == EMFILE || post->error_no == ENFILE);
	if (post->result.starved)
		pool_yield(post->poster->pool);
	if (conn->phase == CONN_CONNECT || conn_is_late(conn)) {
		/* Of several addresses the first one's failure is told. */
		if (post->result.message == NULL)
			post->result.message = words;
		words = post->result.message;
		if (post->tried < post->naddrs) {
			post_enter(post, POST_AGAIN);
			return;
		}
	}
	post_answer_phases(post);
	post_settle(post, 0, words);
}

/* The end of the exchange; request is NULL, or has code 0, when it failed. */
static void
post_answer_on_end(struct evhttp_request *request, void *arg)
{
	struct post *post = arg;

	if (post->state != POST_EXCHANGE && post->state != POST_BODY)
		return;
	if (request == NULL || evhttp_request_get_response_code(request) == 0) {
		post_answer_on_failure(post);
		return;
	}
	post_answer_end(post);
	if (post->reusable && conn_is_clean(post->conn)) {
		pool_give(post->poster->pool, post->conn);
		post->conn = NULL;
	}
}

struct evhttp_request *
post_answer_request(struct post *post)
{
	struct evhttp_request *request = evhttp_request_new(post_answer_on_end, post);

	if (request == NULL)
		abort(); /* no memory */
	evhttp_request_own(request);
	evhttp_request_set_header_cb(request, post_answer_on_head);
	evhttp_request_set_chunked_cb(request, post_answer_on_body);
	evhttp_request_set_error_cb(request, post_answer_on_error);
	return request;
}
