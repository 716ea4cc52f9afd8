/* Attempts as arguments of the scripts that record them; the form is that of attempts.c. */
#include "store/queue.h"
#include "store/store_internal.h"

static void
attempts_write(struct buf *text, const struct attempt *attempt)
{
	buf_add(text, attempt->event.s, ULID_LEN);
	buf_addc(text, ' ');
	buf_adds(text, attempt->type);
	buf_addc(text, ' ');
	buf_addu(text, attempt->number);
	buf_addc(text, ' ');
	buf_addi(text, attempt->status);
	buf_addc(text, ' ');
	buf_addi(text, attempt->duration_ms);
	buf_addc(text, ' ');
	buf_adds(text, attempt->trigger[0] == '\0' ? "-" : attempt->trigger);
	if (attempt->message[0] == '\0' && attempt->response_len == 0)
		return;
	buf_addc(text, '\n');
	for (const char *s = attempt->message; *s != '\0'; s++)
		buf_addc(text, *s == '\n' ? ' ' : *s);
	buf_addc(text, '\n');
	buf_add(text, attempt->response, attempt->response_len);
}

void
attempts_arg(struct redis_cmd *cmd, const struct attempt *attempts, size_t n)
{
	struct buf text = {0};

	for (size_t i = 0; i < n; i++) {
		buf_reset(&text);
		attempts_write(&text, &attempts[i]);
		redis_arg(cmd, text.data, text.len);
	}
	buf_clear(&text);
}
