/* A blocking HTTP client over evhttp. */
#include "ctl/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/sslerr.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "proto/url.h"

#define HTTP_BODY_MAX (256 * 1024 * 1024)
#define HTTP_HEAD_MAX 65536
#define HTTP_KEEP_MS 5000 /* an idle connection is used again within that time */
/* no Diffie-Hellman of 8192 bits because a server would like it */
#define HTTP_GROUPS "X25519:P-256:P-384"
#define HTTP_CIPHERS "DEFAULT:!kDHE"
#define HTTP_NEVER_S 864000 /* evhttp's own timers are for silence: put out of the way */

enum http_end { HTTP_PENDING, HTTP_ANSWERED, HTTP_NOT_CONNECTED, HTTP_BROKEN, HTTP_LATE };

struct http {
	struct url url;
	char prefix[URL_MAX + 2]; /* the URL's path without a slash at its end */
	int64_t timeout_ms;
	SSL_CTX *tls; /* NULL for http */
	struct event_base *base;
	struct event *deadline;
	struct evhttp_connection *conn; /* NULL when there is none to use again */
	SSL *ssl;                       /* of conn, borrowed */
	int64_t used_ms;
	bool again; /* conn may be used again */
	enum http_end end;
	long verify_error;
	unsigned long tls_error;         /* of OpenSSL; 0: none */
	bool connected;                  /* when it was late */
	struct sockaddr_storage address; /* that was tried last */
	socklen_t address_len;
	struct http_answer *answer;
};

static char *
http_why(const char *fmt, const char *text)
{
	struct buf why = {0};

	buf_adds(&why, fmt);
	buf_adds(&why, text);
	return buf_take(&why, NULL);
}

static void
http_ev_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct http *http = arg;

	(void)fd, (void)what;
	if (http->end == HTTP_PENDING) {
		struct sockaddr_storage peer;
		socklen_t size = sizeof peer;

		http->end = HTTP_LATE;
		http->connected =
		    getpeername(bufferevent_getfd(evhttp_connection_get_bufferevent(http->conn)),
			(struct sockaddr *)&peer, &size) == 0;
	}
	event_base_loopbreak(http->base);
}

static char *
http_set_up_tls(struct http *http, const char *ca_file)
{
	http->tls = SSL_CTX_new(TLS_client_method());
	if (http->tls == NULL || SSL_CTX_set1_groups_list(http->tls, HTTP_GROUPS) != 1 ||
	    SSL_CTX_set_cipher_list(http->tls, HTTP_CIPHERS) != 1)
		return http_why("TLS cannot be set up", "");
	SSL_CTX_set_min_proto_version(http->tls, TLS1_2_VERSION);
	SSL_CTX_set_verify(http->tls, SSL_VERIFY_PEER, NULL);
	if (ca_file != NULL ? SSL_CTX_load_verify_locations(http->tls, ca_file, NULL) != 1
			    : SSL_CTX_set_default_verify_paths(http->tls) != 1)
		return http_why("cannot use the CA file ", ca_file != NULL ? ca_file : "");
	return NULL;
}

struct http *
http_new(const char *url, const char *ca_file, int64_t timeout_ms, char **why)
{
	struct http *http = xcalloc(1, sizeof *http);
	const char *fault;
	size_t n;

	if (url_parse(&http->url, url, strlen(url), &fault) != 0) {
		*why = http_why("the URL of the server: ", fault);
		free(http);
		return NULL;
	}
	n = strcspn(http->url.target, "?");
	while (n > 0 && http->url.target[n - 1] == '/')
		n--;
	memcpy(http->prefix, http->url.target, n);
	http->timeout_ms = timeout_ms;
	http->base = event_base_new();
	if (http->base == NULL)
		abort();
	http->deadline = event_new(http->base, -1, 0, http_ev_deadline, http);
	*why = http->url.tls ? http_set_up_tls(http, ca_file) : NULL;
	if (*why != NULL) {
		http_free(http);
		return NULL;
	}
	return http;
}

static void
http_disconnect(struct http *http)
{
	if (http->conn != NULL)
		evhttp_connection_free(http->conn);
	http->conn = NULL;
	http->ssl = NULL;
	/* The bufferevent outlives that call by a turn of the loop. */
	event_base_loop(http->base, EVLOOP_NONBLOCK);
}

void
http_free(struct http *http)
{
	if (http == NULL)
		return;
	http_disconnect(http);
	event_free(http->deadline);
	event_base_free(http->base);
	SSL_CTX_free(http->tls);
	free(http);
}

/* --- connecting --- */

static SSL *
http_new_ssl(const struct http *http)
{
	SSL *ssl = SSL_new(http->tls);
	const char *host = http->url.host;
	bool ok;

	if (ssl == NULL)
		abort();
	/* names are where RFC 9525, 2 has them, never in the subject's CN */
	SSL_set_hostflags(
	    ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	/* A server name is a DNS name, never an address (RFC 6066, section 3). */
	if (http->url.kind == URL_HOST_NAME)
		ok = SSL_set_tlsext_host_name(ssl, host) == 1 && SSL_set1_host(ssl, host) == 1;
	else
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
	if (!ok)
		abort();
	return ssl;
}

/* To one address, as numbers, so that evhttp has nothing to look up. */
static void
http_connect(struct http *http, const char *address)
{
	struct timeval never = {.tv_sec = HTTP_NEVER_S};
	struct bufferevent *bev;

	if (http->tls != NULL) {
		http->ssl = http_new_ssl(http);
		bev = bufferevent_openssl_socket_new(http->base, -1, http->ssl,
		    BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	} else {
		bev = bufferevent_socket_new(http->base, -1, BEV_OPT_CLOSE_ON_FREE);
	}
	if (bev != NULL)
		http->conn = evhttp_connection_base_bufferevent_new(
		    http->base, NULL, bev, address, http->url.port);
	if (http->conn == NULL)
		abort();
	evhttp_connection_set_timeout_tv(http->conn, &never);
	evhttp_connection_set_max_headers_size(http->conn, HTTP_HEAD_MAX);
	evhttp_connection_set_max_body_size(http->conn, HTTP_BODY_MAX);
	bufferevent_setwatermark(bev, EV_READ, 0, HTTP_BODY_MAX + 2 * HTTP_HEAD_MAX);
	/* A server may refuse a large body before it has read it whole. */
	evhttp_connection_set_flags(http->conn, EVHTTP_CON_READ_ON_WRITE_ERROR);
}

/* --- one request --- */

static void
http_note_tls(struct http *http)
{
	unsigned long error;

	if (http->ssl == NULL)
		return;
	http->verify_error = SSL_get_verify_result(http->ssl);
	error = bufferevent_get_openssl_error(evhttp_connection_get_bufferevent(http->conn));
	if (error != 0)
		http->tls_error = error;
}

static void
http_on_error(enum evhttp_request_error error, void *arg)
{
	struct http *http = arg;

	(void)error;
	http->end = HTTP_BROKEN;
	http_note_tls(http);
}

/* evhttp says a refused connection with a request whose code is 0, any other end with NULL. */
static void
http_on_answer(struct evhttp_request *request, void *arg)
{
	struct http *http = arg;
	const char *connection;

	event_base_loopbreak(http->base);
	if (request == NULL) {
		http->end = HTTP_BROKEN;
	} else if (evhttp_request_get_response_code(request) < 200) {
		http->end = HTTP_NOT_CONNECTED;
		http_note_tls(http);
	} else {
		struct evbuffer *body = evhttp_request_get_input_buffer(request);
		size_t n = evbuffer_get_length(body);

		http->end = HTTP_ANSWERED;
		http->answer->status = evhttp_request_get_response_code(request);
		buf_reserve(&http->answer->body, n + 1);
		evbuffer_remove(body, http->answer->body.data, n);
		http->answer->body.len = n;
		connection =
		    evhttp_find_header(evhttp_request_get_input_headers(request), "Connection");
		http->again = connection == NULL || strcasecmp(connection, "close") != 0;
	}
}

static struct evhttp_request *
http_build(struct http *http, const struct http_request *from)
{
	struct evhttp_request *request = evhttp_request_new(http_on_answer, http);
	struct evkeyvalq *fields;
	char length[24];
	int bad = 0;

	if (request == NULL)
		abort();
	evhttp_request_set_error_cb(request, http_on_error);
	fields = evhttp_request_get_output_headers(request);
	bad |= evhttp_add_header(fields, "Host", http->url.authority);
	bad |= evhttp_add_header(fields, "User-Agent", "evhookctl");
	for (const struct http_field *f = from->fields; f != NULL && f->name != NULL; f++)
		if (f->value != NULL)
			bad |= evhttp_add_header(fields, f->name, f->value);
	if (from->body != NULL && evhttp_find_header(fields, "Content-Type") == NULL)
		bad |= evhttp_add_header(fields, "Content-Type", "application/json");
	/* evhttp would leave it out for PATCH and DELETE. */
	if (strcmp(from->method, "GET") != 0) {
		snprintf(length, sizeof length, "%zu", from->body != NULL ? from->body_len : 0);
		bad |= evhttp_add_header(fields, "Content-Length", length);
	}
	if (from->body != NULL)
		evbuffer_add(evhttp_request_get_output_buffer(request), from->body, from->body_len);
	if (bad == 0)
		return request;
	evhttp_request_free(request);
	return NULL;
}

/* Sends it over the connection there is, and waits. */
static void
http_exchange(struct http *http, struct evhttp_request *request, const char *method,
    const char *target, int64_t end_ms)
{
	enum evhttp_cmd_type type = strcmp(method, "POST") == 0     ? EVHTTP_REQ_POST
				    : strcmp(method, "PATCH") == 0  ? EVHTTP_REQ_PATCH
				    : strcmp(method, "DELETE") == 0 ? EVHTTP_REQ_DELETE
								    : EVHTTP_REQ_GET;
	int64_t left = end_ms - clock_mono_ms();
	struct timeval tv = {0};

	left = left < 1 ? 1 : left;
	tv.tv_sec = left / 1000;
	tv.tv_usec = left % 1000 * 1000;
	http->end = HTTP_PENDING;
	http->again = false;
	http->verify_error = X509_V_OK;
	http->tls_error = 0;
	evtimer_add(http->deadline, &tv);
	if (evhttp_make_request(http->conn, request, type, target) != 0 &&
	    http->end == HTTP_PENDING)
		http->end = HTTP_BROKEN;
	while (http->end == HTTP_PENDING)
		event_base_dispatch(http->base);
	evtimer_del(http->deadline);
	http->used_ms = clock_mono_ms();
}

/* evhttp does not say why there is no connection, so that is tried once more, at most a second:
 * errno, or 0 when there is one now. */
static int
http_why_not(const struct http *http)
{
	struct pollfd wait = {.events = POLLOUT};
	int error = 0;
	socklen_t size = sizeof error;

	wait.fd = socket(http->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (wait.fd < 0)
		return errno;
	if (connect(wait.fd, (const struct sockaddr *)&http->address, http->address_len) != 0)
		error = errno;
	if (error == EINPROGRESS) {
		if (poll(&wait, 1, 1000) != 1)
			error = ETIMEDOUT;
		else if (getsockopt(wait.fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
			error = errno;
	}
	close(wait.fd);
	return error;
}

static void
http_say_address(const struct http *http, struct buf *why)
{
	char host[INET6_ADDRSTRLEN + 16];

	getnameinfo((const struct sockaddr *)&http->address, http->address_len, host, sizeof host,
	    NULL, 0, NI_NUMERICHOST);
	buf_printf(why, strchr(host, ':') != NULL ? "[%s]:%u" : "%s:%u", host, http->url.port);
}

static void
http_say_not_connected(const struct http *http, struct buf *why)
{
	int error = http_why_not(http);

	buf_adds(why, "cannot connect to ");
	http_say_address(http, why);
	if (error != 0)
		buf_printf(why, ": %s", strerror(error));
	if (error == ECONNREFUSED)
		buf_adds(why, ", nothing listens there");
}

static void
http_say_tls(const struct http *http, struct buf *why)
{
	const char *reason = ERR_reason_error_string(http->tls_error);

	buf_printf(why, "no TLS with ");
	http_say_address(http, why);
	buf_printf(why, ": %s", reason != NULL ? reason : "the handshake failed");
	if (ERR_GET_REASON(http->tls_error) == SSL_R_WRONG_VERSION_NUMBER)
		buf_adds(why, " (is it http:// there?)");
}

static char *
http_say(const struct http *http)
{
	struct buf why = {0};

	buf_printf(&why, "%s://%s: ", http->url.tls ? "https" : "http", http->url.authority);
	if (http->end == HTTP_LATE && http->connected)
		buf_printf(&why, "connected, but no answer within %g s (--timeout)",
		    (double)http->timeout_ms / 1000);
	else if (http->end == HTTP_LATE) {
		buf_adds(&why, "no connection to ");
		http_say_address(http, &why);
		buf_printf(&why, " within %g s (--timeout)", (double)http->timeout_ms / 1000);
	} else if (http->verify_error != X509_V_OK)
		buf_printf(&why, "its certificate is not to be trusted: %s",
		    X509_verify_cert_error_string(http->verify_error));
	else if (http->tls_error != 0)
		http_say_tls(http, &why);
	else if (http->end == HTTP_NOT_CONNECTED)
		http_say_not_connected(http, &why);
	else
		buf_printf(&why, "the connection broke before a complete answer%s",
		    http->url.tls ? "" : " (is it https:// there?)");
	return buf_take(&why, NULL);
}

static char *
http_say_name(const char *host, int error)
{
	struct buf why = {0};

	buf_printf(&why, "the name %s has no address: %s", host,
	    error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
	return buf_take(&why, NULL);
}

/* A new connection, to the first address that takes it. */
static int
http_ask_anew(struct http *http, const struct http_request *request, const char *target,
    int64_t end_ms, char **why)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
	int error = getaddrinfo(http->url.host, NULL, &hints, &list);

	if (error != 0) {
		*why = http_say_name(http->url.host, error);
		return -1;
	}
	http->end = HTTP_PENDING;
	for (struct addrinfo *at = list; at != NULL; at = at->ai_next) {
		struct evhttp_request *built = http_build(http, request);
		char address[INET6_ADDRSTRLEN + 16];

		if (built == NULL) {
			freeaddrinfo(list);
			*why = http_why("a header cannot be sent: it holds a line end", "");
			return -1;
		}
		getnameinfo(
		    at->ai_addr, at->ai_addrlen, address, sizeof address, NULL, 0, NI_NUMERICHOST);
		http_disconnect(http);
		memcpy(&http->address, at->ai_addr, at->ai_addrlen);
		http->address_len = at->ai_addrlen;
		switch (at->ai_family) { /* the port, for a second look */
		case AF_INET6:
			((struct sockaddr_in6 *)&http->address)->sin6_port = htons(http->url.port);
			break;
		default:
			((struct sockaddr_in *)&http->address)->sin_port = htons(http->url.port);
		}
		http_connect(http, address);
		http_exchange(http, built, request->method, target, end_ms);
		if (http->end != HTTP_NOT_CONNECTED)
			break;
	}
	freeaddrinfo(list);
	return 0;
}

int
http_ask(
    struct http *http, const struct http_request *request, struct http_answer *answer, char **why)
{
	int64_t end_ms = clock_mono_ms() + http->timeout_ms;
	struct evhttp_request *built;
	struct buf target = {0};
	int result = 0;

	*answer = (struct http_answer){0};
	http->answer = answer;
	if (request->target == NULL) {
		buf_adds(&target, http->url.target);
	} else {
		buf_adds(&target, http->prefix);
		buf_adds(&target, request->target);
	}
	if (http->conn != NULL && clock_mono_ms() - http->used_ms < HTTP_KEEP_MS &&
	    (built = http_build(http, request)) != NULL)
		http_exchange(http, built, request->method, buf_str(&target), end_ms);
	else
		result = http_ask_anew(http, request, buf_str(&target), end_ms, why);
	buf_clear(&target);
	if (result == 0 && http->end != HTTP_ANSWERED) {
		*why = http_say(http);
		result = -1;
	}
	if (result != 0 || !http->again)
		http_disconnect(http);
	return result;
}

void
http_answer_clear(struct http_answer *answer)
{
	buf_clear(&answer->body);
}
