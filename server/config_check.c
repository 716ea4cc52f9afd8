/* What no option can tell by itself: what must fit together, and what must be there. */
#include "server/config_check.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/config_value.h"
#include "server/credentials.h"
#include "store/redisuri.h"

static bool
config_is_loopback(const char *text)
{
	struct sockaddr_storage address;
	const struct sockaddr_in *in = (struct sockaddr_in *)&address;
	const struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&address;

	if (config_value_address(text, &address))
		return false;
	if (address.ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
}

/* One password, and a place for it. */
static void
config_check_password(const struct config *config, struct buf *faults)
{
	struct redisuri uri;

	if (config->redis == NULL) {
		buf_adds(faults, "--redis-password-file: needs --redis too\n");
		return;
	}
	redisuri_parse(&uri, config->redis);
	if (uri.password != NULL)
		buf_adds(faults, "--redis-password-file: --redis has a password too\n");
	redisuri_clear(&uri);
}

static void
config_check_listen(const struct config *config, struct buf *faults)
{
	if (config->no_auth || config->auth_key.n)
		return;
	for (size_t i = 0; i < config->listen.n; i++)
		if (!config_is_loopback(config->listen.list[i]))
			buf_printf(faults,
			    "--listen: %s is not a loopback address, and there is no "
			    "authentication: "
			    "give --auth-key, or --no-auth to let anyone in who can connect\n",
			    config->listen.list[i]);
}

void
config_check(
    const struct config *config, config_faulty_fn *faulty, const void *arg, struct buf *faults)
{
	if (!faulty(arg, "lease") && !faulty(arg, "delivery-timeout") &&
	    config->lease_ms <= config->delivery_timeout_ms)
		buf_printf(faults,
		    "--lease: must be longer than --delivery-timeout: it is %" PRId64
		    " ms, the timeout %" PRId64 " ms\n",
		    config->lease_ms, config->delivery_timeout_ms);
	if (!faulty(arg, "max-bodies") && !faulty(arg, "max-body") &&
	    config->max_bodies < config->max_body)
		buf_adds(faults, "--max-bodies: must be at least --max-body\n");
	if (!faulty(arg, "tls-cert") && !faulty(arg, "tls-key") &&
	    !config->tls_cert != !config->tls_key)
		buf_adds(faults, config->tls_cert ? "--tls-cert: needs --tls-key too\n"
						  : "--tls-key: needs --tls-cert too\n");
	if (config->redis_password_file && !faulty(arg, "redis"))
		config_check_password(config, faults);
	credentials_check(config, faults);
	if (!faulty(arg, "auth-key") && !faulty(arg, "no-auth"))
		config_check_listen(config, faults);
}

/* --- for --check-config alone --- */

/* The nearest directory above the path that is there. */
static char *
config_try_parent(const char *path)
{
	char *parent = xstrdup(path), *slash;
	struct stat st;

	while (stat(parent, &st) && (slash = strrchr(parent, '/')) != NULL && slash != parent)
		*slash = '\0';
	if (stat(parent, &st) && *path != '/') {
		free(parent);
		parent = xstrdup(".");
	}
	return parent;
}

static void
config_try_data_dir(const char *path, struct buf *faults)
{
	struct stat st;
	char *parent;
	int rc;

	if (stat(path, &st)) {
		rc = errno;
		/* what is to be made takes a place where that is allowed */
		parent = config_try_parent(path);
		if (rc == ENOENT)
			rc = access(parent, W_OK | X_OK) ? errno : 0;
		if (rc != 0)
			buf_printf(faults, "--data-dir: %s cannot be made in %s: %s\n", path,
			    parent, strerror(rc));
		free(parent);
	} else if (!S_ISDIR(st.st_mode)) {
		buf_printf(faults, "--data-dir: %s: %s\n", path, strerror(ENOTDIR));
	} else if (st.st_uid != geteuid()) {
		buf_printf(faults, "--data-dir: %s belongs to user %ld, and this is user %ld\n",
		    path, (long)st.st_uid, (long)geteuid());
	} else if (access(path, R_OK | W_OK | X_OK)) {
		buf_printf(faults, "--data-dir: %s: %s\n", path, strerror(errno));
	}
}

static void
config_try_redis_server(struct buf *faults)
{
	const char *path = getenv("PATH");
	char *list = xstrdup(path != NULL ? path : "/bin:/usr/bin"), *rest = list, *dir;
	bool found = false;

	while (!found && (dir = strsep(&rest, ":"))) {
		struct buf redis = {0}, valkey = {0};

		buf_printf(&redis, "%s/redis-server", dir);
		buf_printf(&valkey, "%s/valkey-server", dir);
		found = access(buf_str(&redis), X_OK) == 0 || access(buf_str(&valkey), X_OK) == 0;
		buf_clear(&redis);
		buf_clear(&valkey);
	}
	free(list);
	if (!found)
		buf_adds(faults, "--redis: not given, and there is neither redis-server nor "
				 "valkey-server in PATH\n");
}

static void
config_try_address(const char *name, const char *text, struct buf *faults, struct buf *notes)
{
	struct sockaddr_storage address;
	socklen_t size;
	int fd, on = 1, error = 0;

	if (text == NULL || config_value_address(text, &address))
		return;
	size = address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
					     : sizeof(struct sockaddr_in);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		if (address.ss_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	}
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size))
		error = errno;
	if (fd >= 0)
		close(fd);
	if (error == EADDRINUSE)
		buf_printf(notes, "--%s: %s is in use now, by a running evhookd?\n", name, text);
	else if (error)
		buf_printf(faults, "--%s: %s: %s\n", name, text, strerror(error));
}

void
config_try(const struct config *config, struct buf *faults, struct buf *notes)
{
	for (size_t i = 0; i < config->listen.n; i++)
		config_try_address("listen", config->listen.list[i], faults, notes);
	config_try_address("admin-listen", config->admin_listen, faults, notes);
	if (config->redis != NULL)
		return;
	if (config->data_dir != NULL)
		config_try_data_dir(config->data_dir, faults);
	config_try_redis_server(faults);
}
