/* Redis commands in wire form (RESP2). */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/redis_internal.h"

#define CMD_HEADER_ROOM 16
#define CMD_KEEP_MAX 64        /* unused commands kept for the next ones ... */
#define CMD_KEEP_BYTES (16384) /* ... while they are not larger than this */

static struct redis_cmd_list cmd_unused = TAILQ_HEAD_INITIALIZER(cmd_unused);
static size_t cmd_nunused;

struct redis_cmd *
redis_cmd_new(void)
{
	static const char room[CMD_HEADER_ROOM];
	struct redis_cmd *cmd = TAILQ_FIRST(&cmd_unused);

	if (cmd != NULL) {
		TAILQ_REMOVE(&cmd_unused, cmd, entry);
		cmd_nunused--;
		*cmd = (struct redis_cmd){.bytes = cmd->bytes}; /* nothing else of its last use */
		buf_reset(&cmd->bytes);
	} else {
		cmd = xcalloc(1, sizeof *cmd);
	}
	buf_add(&cmd->bytes, room, sizeof room);
	return cmd;
}

void
redis_cmd_free(struct redis_cmd *cmd)
{
	if (cmd_nunused < CMD_KEEP_MAX && cmd->bytes.cap <= CMD_KEEP_BYTES) {
		TAILQ_INSERT_HEAD(&cmd_unused, cmd, entry);
		cmd_nunused++;
		return;
	}
	buf_clear(&cmd->bytes);
	free(cmd);
}

void
redis_arg(struct redis_cmd *cmd, const void *p, size_t n)
{
	buf_reserve(&cmd->bytes, n + 24);
	buf_addc(&cmd->bytes, '$');
	buf_addu(&cmd->bytes, n);
	buf_add(&cmd->bytes, "\r\n", 2);
	buf_add(&cmd->bytes, p, n);
	buf_add(&cmd->bytes, "\r\n", 2);
	cmd->argc++;
}

void
redis_cmd_blocks(struct redis_cmd *cmd)
{
	cmd->blocks = true;
}

size_t
redis_cmd_size(const struct redis_cmd *cmd)
{
	return cmd->bytes.len;
}

void
redis_args(struct redis_cmd *cmd, const char *s)
{
	redis_arg(cmd, s, strlen(s));
}

void
redis_argi(struct redis_cmd *cmd, int64_t n)
{
	char text[24];
	char *p = text + sizeof text;
	uint64_t u = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

	do
		*--p = (char)('0' + u % 10);
	while ((u /= 10) > 0);
	if (n < 0)
		*--p = '-';
	redis_arg(cmd, p, (size_t)(text + sizeof text - p));
}

struct redis_cmd *
redis_script(const char *name, const char *key)
{
	struct redis_cmd *cmd = redis_cmd_new();

	cmd->script = script_find(name);
	redis_args(cmd, "EVALSHA");
	redis_arg(cmd, cmd->script->sha, sizeof cmd->script->sha - 1);
	redis_arg(cmd, key == NULL ? "0" : "1", 1);
	if (key != NULL)
		redis_args(cmd, key);
	return cmd;
}

const char *
redis_cmd_bytes(struct redis_cmd *cmd, size_t *n)
{
	if (cmd->start == 0) {
		unsigned argc = cmd->argc;
		char *p;

		buf_str(&cmd->bytes); /* hiredis reads the byte behind the first word */
		p = cmd->bytes.data + CMD_HEADER_ROOM;
		*--p = '\n';
		*--p = '\r';
		do
			*--p = (char)('0' + argc % 10);
		while ((argc /= 10) > 0);
		*--p = '*';
		cmd->start = (size_t)(p - cmd->bytes.data);
	}
	*n = cmd->bytes.len - cmd->start;
	return cmd->bytes.data + cmd->start;
}
