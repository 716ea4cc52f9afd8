/* Redis for commands that wait: one question, one answer. */
#ifndef CTL_RDS_H
#define CTL_RDS_H

#include "ctl/ctl.h"
#include "store/keys.h"
#include "store/redis.h"

struct rds;

/* Connects as --redis or EVHOOKCTL_REDIS says.  CTL_OK, or a code with a message written. */
int rds_open(const struct ctl *ctl, struct rds **rds);
void rds_close(struct rds *rds); /* NULL is fine */

/* reply is borrowed until fn returns. */
typedef void rds_fn(void *arg, const redisReply *reply);
/* Takes cmd; waits for the answer.  CTL_OK after fn ran, or a code with a message written.  fn may
 * be NULL. */
int rds_ask(struct rds *rds, struct redis_cmd *cmd, rds_fn *fn, void *arg);
/* The answer as an integer; *n is 0 when it is none. */
int rds_ask_int(struct rds *rds, struct redis_cmd *cmd, int64_t *n);

/* A command of words; ends with NULL. */
struct redis_cmd *rds_cmd(const char *word, ...) __attribute__((sentinel));

/* The number of shards: what Redis says (rds), else --shards, else the default. */
int rds_shards(const struct ctl *ctl, struct rds *rds, unsigned *shards);

#endif
