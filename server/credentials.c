/* What the server is given in files and may be given anew: certificate and keys. */
#include "server/credentials.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/keyfile.h"
#include "base/log.h"
#include "base/mem.h"
#include "deliver/tls.h"
#include "server/auth_keys.h"
#include "server/secrets.h"

static void
credentials_wipe(char *password)
{
	if (password != NULL)
		mem_wipe(password, strlen(password));
	free(password);
}

/* Takes the line. */
static void
credentials_fault(struct buf *faults, char *why)
{
	buf_printf(faults, "%s\n", why);
	free(why);
}

static void
credentials_check_secrets(const struct config *config, struct buf *faults)
{
	char *why = NULL, *password;

	size_t before = faults->len;

	for (size_t i = 0; i < config->secrets_key.n; i++) {
		const struct config_strings one = {.list = config->secrets_key.list + i, .n = 1};
		struct secretbox *secrets = secrets_read(&one, &why);

		if (secrets == NULL)
			credentials_fault(faults, why);
		secretbox_free(secrets);
	}
	if (faults->len == before) { /* good one by one: together, too? */
		struct secretbox *all = secrets_read(&config->secrets_key, &why);

		if (all == NULL)
			credentials_fault(faults, why);
		secretbox_free(all);
	}
	if (config->redis_password_file == NULL)
		return;
	password = secrets_read_password(config->redis_password_file, &why);
	if (password == NULL)
		credentials_fault(faults, why);
	credentials_wipe(password);
}

static void
credentials_check_tls(const struct config *config, struct buf *faults)
{
	struct tls_server *server;
	struct tls *endpoints;
	char *why = NULL;

	if (config->ca_file != NULL && access(config->ca_file, R_OK) != 0) {
		buf_printf(faults, "--ca-file: %s: %s\n", config->ca_file, strerror(errno));
	} else {
		endpoints = tls_new(config->ca_file, &why);
		if (endpoints == NULL)
			credentials_fault(faults, why);
		tls_free(endpoints);
	}
	if (config->tls_cert == NULL || config->tls_key == NULL)
		return;
	server = tls_server_new(config->tls_cert, config->tls_key, &why);
	if (server == NULL)
		credentials_fault(faults, why);
	tls_server_free(server);
}

void
credentials_check(const struct config *config, struct buf *faults)
{
	credentials_check_secrets(config, faults);
	credentials_check_tls(config, faults);
	for (size_t i = 0; i < config->auth_key.n; i++) {
		const struct config_strings one = {.list = config->auth_key.list + i, .n = 1};
		struct auth_keys keys = {0};

		if (auth_keys_read(&keys, &one, faults) != 0)
			buf_addc(faults, '\n');
		auth_keys_clear(&keys);
	}
}

/* A certificate that has expired may still be what its clients want, or all there is. */
static void
credentials_warn(const struct app *app)
{
	for (size_t i = 0; i < app->config->secrets_key.n; i++)
		keyfile_warn("secrets-key", app->config->secrets_key.list[i]);
	if (app->config->redis_password_file != NULL)
		keyfile_warn("redis-password-file", app->config->redis_password_file);
	if (app->tls != NULL)
		keyfile_warn("tls-key", app->config->tls_key);
	if (app->tls == NULL || !tls_server_is_expired(app->tls))
		return;
	log_begin(LOG_WARN, "the certificate has expired");
	log_str("file", app->config->tls_cert);
	log_end();
}

int
credentials_open(struct app *app, char **why)
{
	const struct config *config = app->config;

	app->secrets = secrets_read(&config->secrets_key, why);
	if (app->secrets == NULL)
		return -1;
	if (config->redis_password_file != NULL) {
		app->redis_password = secrets_read_password(config->redis_password_file, why);
		if (app->redis_password == NULL)
			return -1;
	}
	if (config->tls_cert != NULL) {
		app->tls = tls_server_new(config->tls_cert, config->tls_key, why);
		if (app->tls == NULL)
			return -1;
	}
	credentials_warn(app);
	app->auth = auth_new(config, why);
	return app->auth == NULL ? -1 : 0;
}

/* For the connections to come. */
static int
credentials_reload_password(struct app *app, char **why)
{
	const char *file = app->config->redis_password_file;
	char *password = file == NULL ? NULL : secrets_read_password(file, why);

	if (file == NULL)
		return 0;
	if (password == NULL)
		return -1;
	credentials_wipe(app->redis_password);
	app->redis_password = password;
	store_use_password(app->store, password);
	return 0;
}

int
credentials_reload(struct app *app, char **why)
{
	struct secretbox *secrets;
	struct buf faults = {0};

	credentials_check(app->config, &faults);
	if (faults.len > 0) {
		faults.data[strcspn(buf_str(&faults), "\n")] = '\0';
		*why = xstrdup(faults.data);
		buf_clear(&faults);
		return -1;
	}
	if (auth_reload(app->auth, app->config, why) != 0 ||
	    (app->tls != NULL && tls_server_reload(app->tls, why) != 0) ||
	    poster_reload(app->poster, why) != 0)
		return -1;
	secrets = secrets_read(&app->config->secrets_key, why);
	if (secrets == NULL)
		return -1;
	if (credentials_reload_password(app, why) != 0) {
		secretbox_free(secrets);
		return -1;
	}
	store_use_secrets(app->store, secrets);
	secretbox_free(app->secrets);
	app->secrets = secrets;
	credentials_warn(app);
	return 0;
}

void
credentials_close(struct app *app)
{
	auth_free(app->auth);
	tls_server_free(app->tls);
	secretbox_free(app->secrets);
	credentials_wipe(app->redis_password);
}
