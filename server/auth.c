/*
 * Who may call what.  A token that was verified is remembered until it expires, so that a busy
 * publisher does not cost a signature check a request; only good tokens are, so that bad ones
 * cannot push them out.  The memory knows a token by its SHA-256: whoever measures how long a
 * lookup takes learns nothing of the tokens in it.
 */
#include "server/auth.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/clock.h"
#include "base/log.h"
#include "proto/jwt.h"
#include "server/app.h"
#include "server/auth_keys.h"
#include "server/guard.h"
#include "server/route.h"

#define AUTH_TOKENS_MAX 1024 /* remembered; each takes a few times its own length */
#define AUTH_DIGEST_LEN 32

struct auth_token {
	unsigned char digest[AUTH_DIGEST_LEN];
	struct jwt jwt;
	TAILQ_ENTRY(auth_token) link; /* in auth->used */
	UT_hash_handle hh;            /* in auth->tokens */
};

struct auth {
	struct auth_keys keys;
	char *issuer;   /* NULL: any */
	char *audience; /* NULL: any */
	struct auth_token *tokens;
	TAILQ_HEAD(auth_used, auth_token) used; /* the longest unused one first */
	EVP_MD *sha256;
	EVP_MD_CTX *hasher;
	struct auth_stats stats;
};

/* --- verified tokens --- */

static void
auth_forget(struct auth *auth, struct auth_token *token)
{
	HASH_DEL(auth->tokens, token);
	TAILQ_REMOVE(&auth->used, token, link);
	jwt_clear(&token->jwt);
	free(token);
}

static void
auth_forget_all(struct auth *auth)
{
	struct auth_token *token;

	while ((token = TAILQ_FIRST(&auth->used)) != NULL)
		auth_forget(auth, token);
}

static void
auth_hash(struct auth *auth, const char *text, size_t len, unsigned char digest[AUTH_DIGEST_LEN])
{
	if (EVP_DigestInit_ex(auth->hasher, auth->sha256, NULL) != 1 ||
	    EVP_DigestUpdate(auth->hasher, text, len) != 1 ||
	    EVP_DigestFinal_ex(auth->hasher, digest, NULL) != 1)
		abort(); /* out of memory, as in base/mem.c */
}

static struct auth_token *
auth_verify(struct auth *auth, const char *text, size_t len, int64_t now_ms, const char **why)
{
	const struct jwt_check check = {
	    .keys = auth->keys.list,
	    .nkeys = auth->keys.n,
	    .issuer = auth->issuer,
	    .audience = auth->audience,
	    .now_ms = now_ms,
	};
	struct auth_token *token = xcalloc(1, sizeof *token);

	*why = jwt_read(&token->jwt, text, len, &check);
	if (*why != NULL) {
		jwt_clear(&token->jwt);
		free(token);
		return NULL;
	}
	auth->stats.verified++;
	return token;
}

/* The token as it was verified, now or before; NULL, and *why is a constant text. */
static struct auth_token *
auth_find(struct auth *auth, const char *text, size_t len, const char **why)
{
	unsigned char digest[AUTH_DIGEST_LEN];
	int64_t now_ms = clock_wall_ms();
	struct auth_token *token;

	auth_hash(auth, text, len, digest);
	HASH_FIND(hh, auth->tokens, digest, sizeof digest, token);
	if (token != NULL) {
		if ((*why = jwt_time_fault(&token->jwt, now_ms)) != NULL) {
			auth_forget(auth, token);
			return NULL;
		}
		TAILQ_REMOVE(&auth->used, token, link);
		TAILQ_INSERT_TAIL(&auth->used, token, link);
		return token;
	}
	token = auth_verify(auth, text, len, now_ms, why);
	if (token == NULL)
		return NULL;
	if (HASH_COUNT(auth->tokens) == AUTH_TOKENS_MAX)
		auth_forget(auth, TAILQ_FIRST(&auth->used));
	memcpy(token->digest, digest, sizeof digest);
	HASH_ADD(hh, auth->tokens, digest, sizeof token->digest, token);
	TAILQ_INSERT_TAIL(&auth->used, token, link);
	return token;
}

/* --- the checks --- */

/* 401; a request that brought no token hears no error code (RFC 6750, 3.1). */
static bool
auth_refuse_token(struct call *call, const char *why)
{
	struct buf challenge = {0};

	call->app->auth->stats.unauthorized++;
	if (why == NULL) {
		call_problem(
		    call, 401, "this needs a token: send Authorization: Bearer and the token");
		return false;
	}
	if (log_on(LOG_DEBUG)) {
		log_begin(LOG_DEBUG, "token refused");
		log_str("reason", why);
		log_str("request", call->request_id);
		log_end();
	}
	buf_adds(&challenge, "Bearer error=\"invalid_token\", error_description=\"");
	buf_adds(&challenge, why);
	buf_addc(&challenge, '"');
	call_set_header(call, "WWW-Authenticate", buf_str(&challenge));
	buf_clear(&challenge);
	call_problem(call, 401, "%s", why);
	return false;
}

/* The token of an Authorization header (RFC 6750, 2.1); NULL when it holds none. */
static const char *
auth_bearer(const char *header, size_t *len)
{
	if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0)
		return NULL;
	header += 7;
	header += strspn(header, " ");
	*len = strlen(header);
	while (*len > 0 && header[*len - 1] == ' ')
		--*len;
	return *len > 0 ? header : NULL;
}

/* Writes leave a line with their sub.  Publishing does so only where there is a sub: without
 * authentication it would fill the log and say nothing. */
static bool
auth_is_audited(const struct call *call)
{
	return call->method != CALL_GET &&
	       (call->app->auth->keys.n > 0 || strcmp(call->route->group, "events") != 0);
}

/* Without keys; false when it answered 403. */
static bool
auth_admit_anyone(struct call *call)
{
	const char *why = guard_fault(call, call->app->config->no_auth);

	if (why == NULL)
		return true;
	call->app->auth->stats.forbidden++;
	call_problem(call, 403, "%s", why);
	return false;
}

bool
auth_admit(struct call *call)
{
	struct auth *auth = call->app->auth;
	struct auth_token *token;
	const char *text, *why;
	size_t len;

	if (call->route->group == NULL)
		return true;
	if (auth->keys.n > 0) {
		text = auth_bearer(call_header(call, "Authorization"), &len);
		if (text == NULL)
			return auth_refuse_token(call, NULL);
		token = auth_find(auth, text, len, &why);
		if (token == NULL)
			return auth_refuse_token(call, why);
		call->token = &token->jwt;
		call->sub = arena_strndup(
		    &call->arena, token->jwt.sub, strlen(token->jwt.sub)); /* outlives the token */
	} else if (!auth_admit_anyone(call)) {
		return false;
	}
	call->audit = auth_is_audited(call);
	return true;
}

static bool
auth_refuse_use(struct call *call)
{
	call->app->auth->stats.forbidden++;
	call_set_header(call, "WWW-Authenticate", "Bearer error=\"insufficient_scope\"");
	return false;
}

bool
auth_permit(struct call *call)
{
	const struct route *route = call->route;
	const struct jwt *jwt = call->token;

	call->token = NULL; /* may be forgotten from here on */
	call->reads_webhooks = jwt == NULL || jwt_has_permission(jwt, "webhooks", "read");
	if (jwt == NULL)
		return true;
	if (!jwt_has_tenant(jwt, &call->tenant)) {
		auth_refuse_use(call);
		call_problem(call, 403, "the token is not for this tenant");
		return false;
	}
	for (size_t i = 0; route->permissions[i] != NULL; i++) {
		if (jwt_has_permission(jwt, route->group, route->permissions[i]))
			continue;
		auth_refuse_use(call);
		call_problem(call, 403, "the token lacks the permission %s.%s", route->group,
		    route->permissions[i]);
		return false;
	}
	return true;
}

/* --- life --- */

static void
auth_set(char **text, const char *value)
{
	free(*text);
	*text = value != NULL ? xstrdup(value) : NULL;
}

int
auth_reload(struct auth *auth, const struct config *config, char **why)
{
	struct auth_keys keys = {0};
	struct buf fault = {0};

	if (auth->keys.n > 0 && config->auth_key.n == 0)
		buf_adds(&fault, "--auth-key: to do without keys takes a restart");
	else if (auth_keys_read(&keys, &config->auth_key, &fault) == 0) {
		auth_forget_all(auth);
		auth_keys_clear(&auth->keys);
		auth->keys = keys;
		auth_keys_warn(&keys, &config->auth_key);
		auth_set(&auth->issuer, config->auth_issuer);
		auth_set(&auth->audience, config->auth_audience);
		return 0;
	}
	*why = buf_take(&fault, NULL);
	return -1;
}

struct auth *
auth_new(const struct config *config, char **why)
{
	struct auth *auth = xcalloc(1, sizeof *auth);

	TAILQ_INIT(&auth->used);
	auth->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL); /* once: looking it up is slow */
	auth->hasher = EVP_MD_CTX_new();
	if (auth->sha256 == NULL || auth->hasher == NULL)
		abort();
	if (auth_reload(auth, config, why) != 0) {
		auth_free(auth);
		return NULL;
	}
	if (auth->keys.n == 0)
		log_msg(LOG_INFO, "no --auth-key: whoever can connect may use the API");
	return auth;
}

void
auth_free(struct auth *auth)
{
	if (auth == NULL)
		return;
	auth_forget_all(auth);
	auth_keys_clear(&auth->keys);
	EVP_MD_CTX_free(auth->hasher);
	EVP_MD_free(auth->sha256);
	free(auth->issuer);
	free(auth->audience);
	free(auth);
}

void
auth_stats(const struct auth *auth, struct auth_stats *stats)
{
	*stats = auth->stats;
}
