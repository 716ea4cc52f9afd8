/*
 * The gate: between a connection's socket and evhttp; only whole, valid requests get through.
 *
 * An evbuffer's callback runs before the bufferevent hands the bytes to evhttp, and may change
 * the buffer: what came is taken out, and what wire made of it is put in.  (A bufferevent_filter
 * would be the place for that, but evhttp frees it while it is flushing.)
 */
#include "server/gate.h"

#include <stdlib.h>

#define GATE_COPIED 4096 /* bytes: longer requests are handed over without a copy */

static void
gate_free_request(const void *data, size_t len, void *arg)
{
	(void)data;
	(void)len;
	free(arg);
}

static void
gate_pass(struct gate *gate, struct evbuffer *ready)
{
	struct buf *out = &gate->wire.out;
	size_t len = out->len;
	char *data;

	/* RFC 9112, 9.6: what follows a request that ends the connection is not for us */
	gate->shut = wire_is_last(&gate->wire);
	gate->excess = gate->wire.excess;
	if (len <= GATE_COPIED) {
		evbuffer_add(ready, out->data, len);
	} else {
		data = buf_take(out, &len);
		evbuffer_add_reference(ready, data, len, gate_free_request, data);
	}
	wire_next(&gate->wire);
}

static void
gate_feed(struct gate *gate, struct evbuffer *ready, const char *p, size_t n)
{
	size_t used;

	while (n > 0 && !gate->shut) {
		switch (wire_feed(&gate->wire, p, n, &used)) {
		case WIRE_WHOLE:
			gate_pass(gate, ready);
			break;
		case WIRE_FAULT:
			gate->shut = true;
			break;
		case WIRE_MORE:
			break;
		}
		p += used;
		n -= used;
	}
}

/* Puts what is ready in the place of the input's last n bytes. */
static void
gate_filter(struct gate *gate, struct evbuffer *input, size_t n)
{
	struct evbuffer *ready = evbuffer_new();
	struct evbuffer_iovec piece;
	size_t before = evbuffer_get_length(input) - n;

	if (ready == NULL)
		abort(); /* out of memory, as in base/mem.c */
	evbuffer_remove_buffer(input, ready, before);
	while (evbuffer_peek(input, -1, NULL, &piece, 1) > 0) {
		gate_feed(gate, ready, piece.iov_base, piece.iov_len);
		evbuffer_drain(input, piece.iov_len);
	}
	evbuffer_add_buffer(input, ready);
	evbuffer_free(ready);
}

static void
gate_on_input(struct evbuffer *input, const struct evbuffer_cb_info *info, void *arg)
{
	struct gate *gate = arg;

	if (gate->busy || info->n_added == 0)
		return;
	gate->busy = true;
	gate_filter(gate, input, info->n_added);
	gate->busy = false;
	gate->fn(gate->arg);
}

void
gate_open(struct gate *gate, struct bufferevent *bev, size_t max_header, size_t max_body,
    gate_fn *fn, void *arg)
{
	wire_init(&gate->wire, max_header, max_body);
	gate->bev = bev;
	gate->fn = fn;
	gate->arg = arg;
	gate->busy = gate->shut = gate->excess = false;
	evbuffer_add_cb(bufferevent_get_input(bev), gate_on_input, gate);
}

void
gate_close(struct gate *gate)
{
	if (gate->bev == NULL)
		return;
	evbuffer_remove_cb(bufferevent_get_input(gate->bev), gate_on_input, gate);
	gate->bev = NULL;
	wire_clear(&gate->wire);
}

void
gate_shut(struct gate *gate)
{
	gate->shut = true;
}

bool
gate_is_after_excess(const struct gate *gate)
{
	return gate->excess && evbuffer_get_length(bufferevent_get_input(gate->bev)) == 0;
}
