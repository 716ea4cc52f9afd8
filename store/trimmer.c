/*
 * Trimming.  Once a minute one script asks which tenants are due; whoever asks gets them, and
 * nobody else for the next hour.  Then each is trimmed step by step, one command at a time.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <uthash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"
#include "store/trimmer.h"

#define ASK_EVERY_MS 60000
#define TRIM_STEP 100    /* as in trim.lua */
#define NOTED_MAX 100000 /* tenants remembered as noted */

struct trimmer_noted {
	UT_hash_handle hh;
	struct uuid tenant;
	int64_t at_ms;
};

struct trimmer_job {
	STAILQ_ENTRY(trimmer_job) entry;
	struct uuid tenant;
};

struct trimmer {
	struct trimmer_opts opts;
	struct event *timer;
	struct trimmer_noted *noted;
	STAILQ_HEAD(, trimmer_job) jobs; /* the first is being trimmed */
	bool working;                    /* a command is under way */
	uint64_t trimmed;                /* events */
};

static void trimmer_step(struct trimmer *trimmer);

/* --- noting --- */

static void
trimmer_forget_noted(struct trimmer *trimmer)
{
	struct trimmer_noted *noted, *next;

	HASH_ITER(hh, trimmer->noted, noted, next)
	{
		HASH_DELETE(hh, trimmer->noted, noted);
		free(noted);
	}
}

bool
trimmer_notes(struct trimmer *trimmer, const struct uuid *tenant)
{
	struct trimmer_noted *noted;
	int64_t now = clock_mono_ms();

	HASH_FIND(hh, trimmer->noted, tenant->s, UUID_LEN, noted);
	if (noted != NULL && now - noted->at_ms < trimmer->opts.every_ms / 2)
		return false;
	if (noted == NULL) {
		if (HASH_COUNT(trimmer->noted) >= NOTED_MAX)
			trimmer_forget_noted(trimmer);
		noted = xcalloc(1, sizeof *noted);
		noted->tenant = *tenant;
		HASH_ADD(hh, trimmer->noted, tenant.s, UUID_LEN, noted);
	}
	noted->at_ms = now;
	return true;
}

/* --- trimming --- */

static void
trimmer_arm(struct trimmer *trimmer, int64_t ms)
{
	struct timeval tv = {ms / 1000, (ms % 1000) * 1000};

	event_add(trimmer->timer, &tv);
}

static void
trimmer_end_job(struct trimmer *trimmer)
{
	struct trimmer_job *job = STAILQ_FIRST(&trimmer->jobs);

	STAILQ_REMOVE_HEAD(&trimmer->jobs, entry);
	free(job);
}

static void
trimmer_on_step(void *arg, enum answer answer, const redisReply *reply)
{
	struct trimmer *trimmer = arg;
	enum store_err err = store_judge("trim", answer, reply);

	trimmer->working = false;
	if (err == STORE_OK && reply->type == REDIS_REPLY_INTEGER)
		trimmer->trimmed += (uint64_t)reply->integer;
	if (err != STORE_OK || reply->integer < TRIM_STEP)
		trimmer_end_job(trimmer);
	if (answer != ANSWER_LOST)
		trimmer_step(trimmer);
}

static void
trimmer_step(struct trimmer *trimmer)
{
	struct trimmer_job *job = STAILQ_FIRST(&trimmer->jobs);
	struct redis_cmd *cmd;

	if (job == NULL || trimmer->working)
		return;
	trimmer->working = true;
	cmd = store_script(trimmer->opts.store, "trim", &job->tenant);
	redis_args(cmd, job->tenant.s);
	redis_argi(cmd, trimmer->opts.retention_ms);
	redis_argi(cmd, trimmer->opts.events_kept);
	redis_send(trimmer->opts.store->redis, cmd, trimmer_on_step, trimmer);
}

static void
trimmer_on_due(void *arg, enum answer answer, const redisReply *reply)
{
	struct trimmer *trimmer = arg;
	size_t n = 0;

	if (store_judge("trim_due", answer, reply) == STORE_OK && reply_is_array(reply, 0))
		n = reply->elements;
	for (size_t i = 0; i < n; i++) {
		struct trimmer_job *job = xcalloc(1, sizeof *job);
		size_t len;
		const char *tenant = reply_text(reply, i, &len);

		if (uuid_parse(&job->tenant, tenant, len) == 0)
			STAILQ_INSERT_TAIL(&trimmer->jobs, job, entry);
		else
			free(job);
	}
	trimmer_arm(trimmer, n > 0 ? 100 : ASK_EVERY_MS);
	if (n > 0)
		trimmer_step(trimmer);
}

static void
trimmer_ev_timer(evutil_socket_t fd, short what, void *arg)
{
	struct trimmer *trimmer = arg;
	struct store *store = trimmer->opts.store;
	struct redis_cmd *cmd;

	(void)fd;
	(void)what;
	if (!store_is_up(store) || !STAILQ_EMPTY(&trimmer->jobs)) {
		trimmer_step(trimmer);
		trimmer_arm(trimmer, 1000);
		return;
	}
	cmd = redis_script("trim_due", store->keys.prefixes[0]);
	redis_argi(cmd, trimmer->opts.every_ms);
	for (unsigned i = 0; i < store->keys.shards; i++)
		redis_args(cmd, store->keys.prefixes[i]);
	redis_send(store->redis, cmd, trimmer_on_due, trimmer);
}

/* --- life --- */

struct trimmer *
trimmer_new(const struct trimmer_opts *opts)
{
	struct trimmer *trimmer = xcalloc(1, sizeof *trimmer);

	trimmer->opts = *opts;
	STAILQ_INIT(&trimmer->jobs);
	trimmer->timer = evtimer_new(opts->base, trimmer_ev_timer, trimmer);
	if (trimmer->timer == NULL)
		abort();
	trimmer_arm(trimmer, opts->every_ms < ASK_EVERY_MS ? opts->every_ms : ASK_EVERY_MS);
	return trimmer;
}

void
trimmer_free(struct trimmer *trimmer)
{
	if (trimmer == NULL)
		return;
	while (!STAILQ_EMPTY(&trimmer->jobs))
		trimmer_end_job(trimmer);
	trimmer_forget_noted(trimmer);
	event_free(trimmer->timer);
	free(trimmer);
}

uint64_t
trimmer_trimmed(const struct trimmer *trimmer)
{
	return trimmer->trimmed;
}
