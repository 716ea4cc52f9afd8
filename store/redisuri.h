/* Where Redis is, as --redis says it: redis://[user:pass@]host:port/db or
 * unix://[user:pass@]/path[?db=N]. */
#ifndef STORE_REDISURI_H
#define STORE_REDISURI_H

struct redisuri {
	char *path;     /* of a Unix socket; NULL for TCP, and then: */
	char *host;     /* a name or an address, IPv6 without brackets */
	int port;       /* 6379 when not given */
	char *user;     /* percent-decoded; NULL for none */
	char *password; /* NULL for none; a user may do without */
	int db;
};

/* NULL when the URI is fit, else why not: a constant text that repeats nothing of it. */
const char *redisuri_fault(const char *s);
/* 0, or -1 for one that redisuri_fault() refuses.  Clear it in both cases. */
int redisuri_parse(struct redisuri *uri, const char *s);
/* Instead of that of the URI. */
void redisuri_set_password(struct redisuri *uri, const char *password);
void redisuri_clear(struct redisuri *uri); /* wipes the password */

#endif
