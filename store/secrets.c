/* The secrets of stored webhooks: sealed on their way into Redis, opened on their way out. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/reseal.h"
#include "store/store_internal.h"

/* A wrong key makes every webhook unreadable, and deliveries ask again and again. */
#define SECRETS_COMPLAIN_MS 1000

/* What the sealed form is bound to: it is worth nothing in another webhook. */
static void
secrets_place(struct buf *place, const struct webhook *webhook)
{
	buf_adds(place, "webhook ");
	buf_adds(place, webhook->tenant.s);
	buf_addc(place, ' ');
	buf_adds(place, webhook->locator.s);
}

void
store_seal_secrets(struct store *store, const struct webhook *webhook, struct buf *out)
{
	struct buf place = {0}, text = {.secret = true};

	secrets_place(&place, webhook);
	webhook_store_secrets(webhook, &text);
	secretbox_seal(store->opts.secrets, buf_str(&place), text.data, text.len, out);
	buf_clear(&text);
	buf_clear(&place);
}

static void
secrets_complain(
    struct store *store, const struct webhook *webhook, const char *reason, const char *key_id)
{
	int64_t now_ms = clock_mono_ms();

	if (store->complained_ms != 0 && now_ms - store->complained_ms < SECRETS_COMPLAIN_MS) {
		store->uncomplained++;
		return;
	}
	log_begin(LOG_ERROR, "a stored webhook cannot be read");
	log_str("tenant", webhook->tenant.s);
	log_str("webhook", webhook->locator.s);
	log_str("reason", reason);
	if (*key_id != '\0')
		log_str("key", key_id);
	if (store->uncomplained > 0)
		log_int("others", store->uncomplained);
	log_end();
	store->complained_ms = now_ms;
	store->uncomplained = 0;
}

/*
 * Whether a text that is plain, or sealed in the earlier form, may still be read: until all that is
 * stored was sealed once.  Later such a text is not our work.  The earlier form did not hold the
 * url, which stood readable beside it: put back, it would go wherever that says.
 */
static bool
secrets_is_due(const struct store *store, enum secretbox_form form)
{
	return form == SECRETBOX_V2 || secretbox_count(store->opts.secrets) == 0 ||
	       !reseal_is_done(store->reseal);
}

/* What was stored before there were keys may be in the earlier form too. */
static int
secrets_load(struct webhook *webhook, const redisReply *doc, enum secretbox_form form,
    const struct buf *text)
{
	if (form != SECRETBOX_V1 &&
	    webhook_load(webhook, doc->str, doc->len, text->data, text->len, false) == 0)
		return 0;
	if (form == SECRETBOX_V2)
		return -1;
	return webhook_load(webhook, doc->str, doc->len, text->data, text->len, true);
}

enum store_err
store_load_webhook(
    struct store *store, struct webhook *webhook, const redisReply *doc, const redisReply *secrets)
{
	enum secretbox_form form = secretbox_form(secrets->str, secrets->len);
	char id[SECRETBOX_ID_LEN + 1] = "";
	struct buf place = {0}, text = {.secret = true};
	const char *reason = NULL;

	if (!secrets_is_due(store, form)) {
		secrets_complain(
		    store, webhook, "its secrets are not sealed as all others are", id);
		return STORE_UNREADABLE;
	}
	secrets_place(&place, webhook);
	switch (secretbox_open(
	    store->opts.secrets, buf_str(&place), secrets->str, secrets->len, &text, id)) {
	case SECRETBOX_NO_KEY:
		reason = "its secrets are sealed with a key that --secrets-key does not give";
		break;
	case SECRETBOX_DAMAGED:
		reason = "its secrets are damaged, or another webhook's";
		break;
	case SECRETBOX_OPEN:
		if (secrets_load(webhook, doc, form, &text) != 0)
			reason = form == SECRETBOX_PLAIN
				     ? "what is stored is not a webhook"
				     : "what is stored beside its sealed secrets is not a webhook";
		break;
	}
	buf_clear(&text);
	buf_clear(&place);
	if (reason == NULL)
		return STORE_OK;
	secrets_complain(store, webhook, reason, id);
	return STORE_UNREADABLE;
}
