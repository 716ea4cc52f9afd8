/*
 * Trimming.  Once a minute one script asks which tenants are due; whoever asks gets them, and
 * nobody else for the next hour.  A tenant that publishes much is trimmed in between: whenever
 * this process took in an eighth of --events-kept.  Each is trimmed step by step, one command at a
 * time; one that Redis refused is tried again at the next round, and the others go on.  On another
 * connection each begins anew, as that may lead to a Redis that lacks what the steps before wrote.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"
#include "store/trimmer.h"

#define ASK_EVERY_MS 60000
#define JOBS_MAX 1000    /* tenants that wait to be trimmed, and at most one more of each shard */
#define NOTED_MAX 100000 /* tenants remembered as noted */

struct trimmer_noted {
	UT_hash_handle hh;
	struct uuid tenant;
	int64_t at_ms;
	int64_t published; /* events, since it was last trimmed for their number */
};

struct trimmer_job {
	UT_hash_handle hh;
	struct uuid tenant;
	bool refused; /* since the last round */
	/* where the last step got to in the script's work; "" at the beginning */
	char *events;
	char webhook[ULID_LEN + 1];
	uint64_t losses; /* of connections, before that step */
};

struct trimmer {
	struct trimmer_opts opts;
	struct event *timer;
	struct trimmer_noted *noted;
	struct trimmer_job *jobs;     /* in the order of coming */
	struct trimmer_job *stepping; /* whose command is under way; or NULL */
	uint64_t trimmed;             /* events */
};

static void trimmer_step(struct trimmer *trimmer);

/* --- jobs --- */

static void
trimmer_add_job(struct trimmer *trimmer, const struct uuid *tenant)
{
	struct trimmer_job *job;

	HASH_FIND(hh, trimmer->jobs, tenant->s, UUID_LEN, job);
	if (job != NULL)
		return;
	job = xcalloc(1, sizeof *job);
	job->tenant = *tenant;
	HASH_ADD(hh, trimmer->jobs, tenant.s, UUID_LEN, job);
}

static void
trimmer_end_job(struct trimmer *trimmer, struct trimmer_job *job)
{
	HASH_DELETE(hh, trimmer->jobs, job);
	free(job->events);
	free(job);
}

/* The others first. */
static void
trimmer_put_off_job(struct trimmer *trimmer, struct trimmer_job *job)
{
	HASH_DELETE(hh, trimmer->jobs, job);
	HASH_ADD(hh, trimmer->jobs, tenant.s, UUID_LEN, job);
}

/* The first that may be tried; NULL when there is none. */
static struct trimmer_job *
trimmer_next_job(struct trimmer *trimmer)
{
	struct trimmer_job *job = trimmer->jobs;

	while (job != NULL && job->refused)
		job = job->hh.next;
	return job;
}

/* Those that Redis refused, too. */
static void
trimmer_begin_round(struct trimmer *trimmer)
{
	for (struct trimmer_job *job = trimmer->jobs; job != NULL; job = job->hh.next)
		job->refused = false;
	trimmer_step(trimmer);
}

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

/* What the tenant publishes, counted from now on if it was not. */
static struct trimmer_noted *
trimmer_noted(struct trimmer *trimmer, const struct uuid *tenant)
{
	struct trimmer_noted *noted;

	HASH_FIND(hh, trimmer->noted, tenant->s, UUID_LEN, noted);
	if (noted != NULL)
		return noted;
	if (HASH_COUNT(trimmer->noted) >= NOTED_MAX)
		trimmer_forget_noted(trimmer);
	noted = xcalloc(1, sizeof *noted);
	noted->tenant = *tenant;
	noted->at_ms = clock_mono_ms() - trimmer->opts.every_ms;
	HASH_ADD(hh, trimmer->noted, tenant.s, UUID_LEN, noted);
	return noted;
}

bool
trimmer_notes(struct trimmer *trimmer, const struct uuid *tenant)
{
	struct trimmer_noted *noted = trimmer_noted(trimmer, tenant);
	int64_t now = clock_mono_ms();

	if (now - noted->at_ms < trimmer->opts.every_ms / 2)
		return false;
	noted->at_ms = now;
	return true;
}

void
trimmer_published(struct trimmer *trimmer, const struct uuid *tenant, size_t n, bool much)
{
	struct trimmer_noted *noted = trimmer_noted(trimmer, tenant);

	noted->published += (int64_t)n;
	if (noted->published <= trimmer->opts.events_kept / 8 && !much)
		return;
	if (HASH_COUNT(trimmer->jobs) >= JOBS_MAX)
		return;
	noted->published = 0;
	trimmer_hurry(trimmer, tenant);
}

void
trimmer_hurry(struct trimmer *trimmer, const struct uuid *tenant)
{
	if (HASH_COUNT(trimmer->jobs) >= JOBS_MAX)
		return; /* the hourly look finds it */
	trimmer_add_job(trimmer, tenant);
	trimmer_begin_round(trimmer);
}

/* --- trimming --- */

static void
trimmer_arm(struct trimmer *trimmer, int64_t ms)
{
	struct timeval tv = {ms / 1000, (ms % 1000) * 1000};

	event_add(trimmer->timer, &tv);
}

static uint64_t
trimmer_losses(const struct trimmer *trimmer)
{
	struct redis_stats stats;

	redis_stats(trimmer->opts.store->redis, &stats);
	return stats.losses;
}

static void
trimmer_keep_place(struct trimmer_job *job, const char *events, const char *webhook)
{
	free(job->events);
	job->events = xstrdup(events);
	snprintf(job->webhook, sizeof job->webhook, "%s", webhook);
}

static void
trimmer_on_step(void *arg, enum answer answer, const redisReply *reply)
{
	struct trimmer *trimmer = arg;
	struct trimmer_job *job = trimmer->stepping;
	enum store_err err = store_judge("trim", answer, reply);

	trimmer->stepping = NULL;
	if (err == STORE_OK) {
		trimmer->trimmed += (uint64_t)reply_int(reply, 0);
		trimmer_keep_place(job, reply_text(reply, 2, NULL), reply_text(reply, 3, NULL));
	}
	job->refused = answer == ANSWER_ERROR;
	if (err != STORE_OK || reply_is(reply, 1, "1"))
		trimmer_put_off_job(trimmer, job);
	else
		trimmer_end_job(trimmer, job);
	if (answer != ANSWER_LOST)
		trimmer_step(trimmer);
}

static void
trimmer_step(struct trimmer *trimmer)
{
	struct trimmer_job *job = trimmer_next_job(trimmer);
	uint64_t losses = trimmer_losses(trimmer);
	struct redis_cmd *cmd;

	if (job == NULL || trimmer->stepping != NULL || !store_is_up(trimmer->opts.store))
		return;
	if (job->losses != losses)
		trimmer_keep_place(job, "", "");
	job->losses = losses;
	trimmer->stepping = job;
	cmd = store_script(trimmer->opts.store, "trim", &job->tenant);
	redis_args(cmd, job->tenant.s);
	redis_argi(cmd, trimmer->opts.retention_ms);
	redis_argi(cmd, trimmer->opts.events_kept);
	redis_argi(cmd, trimmer->opts.bytes_kept);
	redis_args(cmd, job->events != NULL ? job->events : "");
	redis_args(cmd, job->webhook);
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
		struct uuid tenant;
		size_t len;
		const char *text = reply_text(reply, i, &len);

		if (uuid_parse(&tenant, text, len) == 0)
			trimmer_add_job(trimmer, &tenant);
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
	trimmer_begin_round(trimmer);
	if (!store_is_up(store) || HASH_COUNT(trimmer->jobs) >= JOBS_MAX) {
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
	while (trimmer->jobs != NULL)
		trimmer_end_job(trimmer, trimmer->jobs);
	trimmer_forget_noted(trimmer);
	event_free(trimmer->timer);
	free(trimmer);
}

uint64_t
trimmer_trimmed(const struct trimmer *trimmer)
{
	return trimmer->trimmed;
}
