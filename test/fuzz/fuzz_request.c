/* Whole requests: bytes on a connection to the real server with the API's routes and handlers; only
 * the store behind them is a fake.  Each connection ends, and each answer is well-formed. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "proto/json.h"
#include "server/app.h"
#include "server/auth.h"
#include "test/fuzz/fake_store.h"
#include "test/fuzz/fuzz.h"

#define MAX_BODY 4096
#define MAX_HEADER 2048
#define HANG_S 20
#define TIMEOUT_MS (HANG_S * 2000) /* nothing may wait for it */

static struct app fuzz_app;
static struct config fuzz_config;
static struct sockaddr_in fuzz_address;

static void
fuzz_open_http(void)
{
	struct http_opts opts = {.base = fuzz_app.base,
	    .app = &fuzz_app,
	    .max_body = MAX_BODY,
	    .max_bodies = MAX_BODY,
	    .max_unsent = SIZE_MAX,
	    .max_header = MAX_HEADER,
	    .max_connections = 100,
	    .request_timeout_ms = TIMEOUT_MS,
	    .idle_timeout_ms = TIMEOUT_MS,
	    .admit = auth_admit,
	    .permit = auth_permit};
	char *why = NULL;
	size_t n;

	fuzz_app.auth = auth_new(&fuzz_config, &why);
	FUZZ_CHECK(fuzz_app.auth != NULL);
	fuzz_app.http = fuzz_app.admin = http_new(&opts);
	FUZZ_CHECK(http_listen(fuzz_app.http, "127.0.0.1:0", &why) == 0);
	memcpy(&fuzz_address, http_addresses(fuzz_app.http, &n), sizeof fuzz_address);
}

/* The outbound side is real, but nothing may be sent to any address by the egress rules. */
/* Deliveries are never behind. */
static void
fuzz_on_pace(void *arg, const struct uuid *tenant, struct pace_load *load)
{
	(void)arg;
	(void)tenant;
	*load = (struct pace_load){0};
}

static void
fuzz_open_delivery(void)
{
	struct store_opts store = {.base = fuzz_app.base,
	    .redis_uri = "unix:///nonexistent/redis.sock",
	    .shards = 1,
	    .timeout_ms = 1000};
	struct poster_opts poster = {
	    .base = fuzz_app.base, .egress = &fuzz_app.egress, .user_agent = "fuzz", .max_idle = 1};
	struct dispatch_opts dispatch = {.base = fuzz_app.base,
	    .lease_ms = 60000,
	    .delivery_timeout_ms = 1000,
	    .endpoint_concurrency = 10,
	    .delivery_concurrency = 10};
	struct trimmer_opts trimmer = {
	    .base = fuzz_app.base, .retention_ms = 60000, .events_kept = 10, .every_ms = 3600000};
	const char *why;
	char *reason;

	fuzz_app.store = store_new(&store, &why);
	FUZZ_CHECK(fuzz_app.store != NULL);
	fuzz_app.poster = poster_new(&poster, &reason);
	FUZZ_CHECK(fuzz_app.poster != NULL);
	dispatch.store = trimmer.store = fuzz_app.store;
	dispatch.poster = fuzz_app.poster;
	fuzz_app.dispatch = dispatch_new(&dispatch);
	fuzz_app.trimmer = trimmer_new(&trimmer);
	fuzz_app.depth = depth_new(fuzz_app.store, 30000);
	fuzz_app.pulse = pulse_new(fuzz_app.base);
	fuzz_app.pace = pace_new(fuzz_app.base, fuzz_on_pace, NULL);
	fuzz_app.reads = reads_new(fuzz_app.base);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char name[] = "fuzz", no_auth[] = "--no-auth", *args[] = {name, no_auth, NULL};

	(void)argc;
	(void)argv;
	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_ERROR, LOG_JSON);
	FUZZ_CHECK(config_read(&fuzz_config, 2, args) == CONFIG_RUN);
	fuzz_app.config = &fuzz_config;
	fuzz_app.base = fake_store_base = event_base_new();
	fuzz_open_http();
	fuzz_open_delivery();
	return 0;
}

/* --- one connection --- */

struct fuzz_client {
	int fd;
	struct event *reading;
	struct buf answers;
	bool ended;
};

static void
fuzz_on_read(evutil_socket_t fd, short what, void *arg)
{
	struct fuzz_client *client = arg;
	char bytes[16384];
	ssize_t n;

	(void)what;
	n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
	if (n > 0) {
		buf_add(&client->answers, bytes, (size_t)n);
	} else if (n == 0 || errno != EAGAIN) {
		client->ended = true;
		event_del(client->reading);
		event_base_loopbreak(fuzz_app.base);
	}
}

static void
fuzz_on_hang(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	struct http_stats stats;

	http_stats(fuzz_app.http, &stats);
	fprintf(stderr, "the server does not close the connection: %zu open, %zu calls\n",
	    stats.connections, stats.calls);
	abort();
}

static void
fuzz_send(struct fuzz_client *client, const uint8_t *data, size_t n)
{
	/* what the server does not want any more, it may refuse */
	if (n > 0 && send(client->fd, data, n, 0) < 0)
		FUZZ_CHECK(errno == EPIPE || errno == ECONNRESET);
}

/* Sends the bytes in two parts and collects the answers until the server closes. */
static void
fuzz_exchange(struct fuzz_client *client, const uint8_t *data, size_t size)
{
	struct linger linger = {.l_onoff = 1}; /* leaves no TIME_WAIT behind */
	struct timeval hang = {.tv_sec = HANG_S};
	struct event *watchdog;

	client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FUZZ_CHECK(client->fd >= 0);
	FUZZ_CHECK(connect(client->fd, (struct sockaddr *)&fuzz_address, sizeof fuzz_address) == 0);
	client->reading =
	    event_new(fuzz_app.base, client->fd, EV_READ | EV_PERSIST, fuzz_on_read, client);
	watchdog = evtimer_new(fuzz_app.base, fuzz_on_hang, NULL);
	event_add(client->reading, NULL);
	event_add(watchdog, &hang);
	fuzz_send(client, data, size / 2);
	event_base_loop(fuzz_app.base, EVLOOP_NONBLOCK);
	fuzz_send(client, data + size / 2, size - size / 2);
	shutdown(client->fd, SHUT_WR);
	while (!client->ended)
		event_base_loop(fuzz_app.base, EVLOOP_ONCE);
	event_free(client->reading);
	event_free(watchdog);
	setsockopt(client->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	close(client->fd);
}

/* --- what came back --- */

/* The value of a field in a head of head_len bytes, up to its line's end, or NULL. */
static const char *
fuzz_field(const char *head, const char *end, const char *name)
{
	size_t n = strlen(name);

	for (const char *s = strstr(head, "\r\n"); s != NULL && s < end; s = strstr(s + 2, "\r\n"))
		if (strncasecmp(s + 2, name, n) == 0 && strncmp(s + 2 + n, ": ", 2) == 0)
			return s + 2 + n + 2;
	return NULL;
}

static void
fuzz_check_body(const char *type, const char *body, size_t len)
{
	struct json_doc doc = {0};
	struct json_error error;

	if (type == NULL || strncmp(type, "application/", 12) != 0)
		return;
	FUZZ_CHECK(json_parse(&doc, body, len, 1, &error) == 0);
	json_doc_clear(&doc);
}

/* Checks one answer; returns what is behind it. */
static const char *
fuzz_check_answer(const char *s, const char *end, bool bodiless)
{
	const char *head_end = strstr(s, "\r\n\r\n"), *length, *body;
	int status;
	size_t len;

	FUZZ_CHECK(sscanf(s, "HTTP/1.%*1[01] %3d ", &status) == 1 && status >= 100 && status < 600);
	FUZZ_CHECK(status != 500);
	FUZZ_CHECK(head_end != NULL);
	body = head_end + 4;
	if (status == 204 || status == 304 || status < 200)
		return body;
	length = fuzz_field(s, head_end, "Content-Length");
	if (length == NULL)
		return end;
	len = strtoul(length, NULL, 10);
	if (bodiless)
		return body;
	FUZZ_CHECK(len <= (size_t)(end - body));
	fuzz_check_body(fuzz_field(s, head_end, "Content-Type"), body, len);
	return body + len;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_client client = {0};
	struct http_stats stats;
	const char *s, *end;
	bool head = memmem(data, size, "HEAD", 4) != NULL;

	fuzz_exchange(&client, data, size);
	s = buf_str(&client.answers);
	end = s + client.answers.len;
	while (s < end && !(head && s > client.answers.data))
		s = fuzz_check_answer(s, end, head);
	http_stats(fuzz_app.http, &stats);
	FUZZ_CHECK(stats.calls == 0);
	buf_clear(&client.answers);
	return 0;
}
