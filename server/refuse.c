/* The answer to what is no request, and the end of its connection. */
#include "server/refuse.h"

#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "server/problem.h"
#include "server/tls_server.h"

static void
refuse_write_head(struct buf *out, int status, const char *request_id, size_t body_len)
{
	time_t now = (time_t)(clock_wall_ms() / 1000);
	char date[32];
	struct tm tm;

	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
	buf_adds(out, "HTTP/1.1 ");
	buf_addi(out, status);
	buf_addc(out, ' ');
	buf_adds(out, problem_title(status));
	buf_adds(out, "\r\nX-Request-Id: ");
	buf_adds(out, request_id);
	buf_adds(out, "\r\nContent-Type: application/problem+json\r\nContent-Length: ");
	buf_addu(out, body_len);
	buf_adds(out, "\r\nConnection: close\r\nDate: ");
	buf_adds(out, date);
	buf_adds(out, "\r\n\r\n");
}

static void
refuse_on_written(struct bufferevent *bev, void *arg)
{
	struct refuse *refuse = arg;
	SSL *ssl = bufferevent_openssl_get_ssl(bev);

	refuse->sent = true;
	if (refuse->eof) {
		refuse->fn(refuse->arg);
		return;
	}
	if (ssl != NULL)
		tls_server_end(ssl);
	shutdown(bufferevent_getfd(bev), SHUT_WR);
}

static void
refuse_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct refuse *refuse = arg;

	(void)bev;
	refuse->eof = true;
	if (refuse->sent || !(what & BEV_EVENT_EOF))
		refuse->fn(refuse->arg);
}

static void
refuse_take_over(struct refuse *refuse, struct bufferevent *bev, refuse_fn *fn, void *arg)
{
	refuse->fn = fn;
	refuse->arg = arg;
	refuse->sent = refuse->eof = false;
	bufferevent_setcb(bev, NULL, refuse_on_written, refuse_on_event, refuse);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

void
refuse_end(struct refuse *refuse, struct bufferevent *bev, refuse_fn *fn, void *arg)
{
	refuse_take_over(refuse, bev, fn, arg);
	refuse_on_written(bev, refuse);
}

void
refuse_start(struct refuse *refuse, struct bufferevent *bev, int status, const char *detail,
    const char *request_id, bool head, refuse_fn *fn, void *arg)
{
	struct evbuffer *output = bufferevent_get_output(bev);
	struct buf out = {0}, body = {0};

	refuse_take_over(refuse, bev, fn, arg);
	problem_write(&body, status, detail, request_id, NULL);
	refuse_write_head(&out, status, request_id, body.len);
	evbuffer_add(output, out.data, out.len);
	if (!head)
		evbuffer_add(output, body.data, body.len);
	buf_clear(&out);
	buf_clear(&body);
}
