/* JSON Web Tokens (RFC 7519) in compact form: verified with given keys, and what they claim. */
#ifndef PROTO_JWT_H
#define PROTO_JWT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"
#include "proto/id.h"
#include "proto/jwt_key.h"

#define JWT_MAX 8192        /* bytes of a token */
#define JWT_LEEWAY_MS 30000 /* how far the issuer's clock may be off */

struct jwt_list {
	const char **list;
	size_t n;
};

/* What a token says; zero-initialise.  Owns everything in it. */
struct jwt {
	struct arena arena;
	int64_t expires_ms;
	int64_t not_before_ms; /* INT64_MIN: at any time */
	const char *sub;       /* "" for none */
	struct jwt_list tenants;
	struct jwt_list permissions;
};

/* What a token is judged by. */
struct jwt_check {
	struct jwt_key *const *keys;
	size_t nkeys;
	const char *issuer;   /* NULL: any */
	const char *audience; /* NULL: any */
	int64_t now_ms;       /* wall clock */
};

/*
 * Verifies the token and reads its claims.  The algorithm is the key's: a token that names another
 * one is refused, as are "none", unknown critical headers, duplicate names, and claims of a wrong
 * type.  NULL, or why the token is refused, a constant text fit for a quoted string; clear the jwt
 * in both cases.
 */
const char *jwt_read(struct jwt *jwt, const char *token, size_t len, const struct jwt_check *check);
void jwt_clear(struct jwt *jwt);

/* NULL when the token is valid at that time, else why not; for a jwt that is kept. */
const char *jwt_time_fault(const struct jwt *jwt, int64_t now_ms);
/* Whether the token is for that tenant: named, or "any". */
bool jwt_has_tenant(const struct jwt *jwt, const struct uuid *tenant);
/* Whether it grants group.action: by that name, as group.*, or as *.*. */
bool jwt_has_permission(const struct jwt *jwt, const char *group, const char *action);

#endif
