/* Who may call what: bearer tokens (RFC 6750), tenants, permissions. */
#ifndef SERVER_AUTH_H
#define SERVER_AUTH_H

#include <stdbool.h>
#include <stdint.h>

#include "server/call.h"
#include "server/config.h"

struct auth;

/* Reads the keys that the config names; without any, all requests pass.  NULL and *why (free()). */
struct auth *auth_new(const struct config *config, char **why);
/* Reads the keys again; the tokens verified so far are forgotten.  0, or -1 and *why (free()):
 * then everything is as before. */
int auth_reload(struct auth *auth, const struct config *config, char **why);
void auth_free(struct auth *auth); /* NULL is fine */

/* The checks of struct http_opts, with the auth of the call's app; routes without a permission
 * group pass.  After auth_admit() the call knows its sub, and whether it is to be audited. */
bool auth_admit(struct call *call);
bool auth_permit(struct call *call);

struct auth_stats {
	uint64_t unauthorized; /* answered with 401 */
	uint64_t forbidden;    /* answered with 403 */
	uint64_t verified;     /* signatures that were checked, and good */
};
void auth_stats(const struct auth *auth, struct auth_stats *stats);

#endif
