/* The process's outbound side: set-up, deadlines, and the queue of POSTs with something to do. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "deliver/post_priv.h"

#define POSTER_SPARE 1024 /* POSTs kept for reuse ... */
#define POSTER_KEPT 4096  /* ... with that much of each buffer, in bytes */

static void poster_ev_timer(evutil_socket_t fd, short what, void *arg);
static void poster_ev_work(evutil_socket_t fd, short what, void *arg);
static void poster_discard(struct post *post);

struct poster *
poster_new(const struct poster_opts *opts, char **why)
{
	struct poster *poster = xcalloc(1, sizeof *poster);
	struct resolve_opts resolve = {
	    .base = opts->base,
	    .dns = opts->dns,
	    .ndns = opts->ndns,
	    .conf = "/etc/resolv.conf",
	    .hosts = "/etc/hosts",
	    .look_ms = 1000,
	};
	struct pool_opts pool = {
	    .base = opts->base,
	    .egress = opts->egress,
	    .max_idle = opts->max_idle,
	    .max_open = opts->max_open,
	    .idle_ms = opts->idle_ms,
	    .max_age_ms = opts->max_age_ms,
	};

	poster->opts = *opts;
	poster->opts.dns = NULL; /* the caller's, like the strings */
	poster->opts.ca_file = NULL;
	poster->armed_us = INT64_MAX;
	poster->opts.user_agent = NULL;
	poster->user_agent = xstrdup(opts->user_agent);
	TAILQ_INIT(&poster->posts);
	TAILQ_INIT(&poster->bodies);
	TAILQ_INIT(&poster->drains);
	TAILQ_INIT(&poster->queue);
	TAILQ_INIT(&poster->spare);
	event_assign(&poster->timer, opts->base, -1, 0, poster_ev_timer, poster);
	event_assign(&poster->work, opts->base, -1, 0, poster_ev_work, poster);
	poster->tls = tls_new(opts->ca_file, why);
	if (poster->tls != NULL)
		poster->resolver = resolve_new(&resolve, why);
	if (poster->resolver == NULL) {
		poster_free(poster);
		return NULL;
	}
	pool.tls = poster->tls;
	poster->pool = pool_new(&pool);
	return poster;
}

static void
poster_free_list(struct post_list *list)
{
	struct post *post;

	while ((post = TAILQ_FIRST(list)) != NULL) {
		post_release(post);
		poster_remove(post);
	}
}

void
poster_free(struct poster *poster)
{
	struct post *post;

	if (poster == NULL)
		return;
	if (poster->gone != NULL)
		*poster->gone = true;
	poster_free_list(&poster->posts);
	poster_free_list(&poster->bodies);
	poster_free_list(&poster->drains);
	while ((post = TAILQ_FIRST(&poster->spare)) != NULL) {
		TAILQ_REMOVE(&poster->spare, post, link);
		poster_discard(post);
	}
	event_del(&poster->timer);
	event_del(&poster->work);
	pool_free(poster->pool);
	resolve_free(poster->resolver);
	tls_free(poster->tls);
	free(poster->user_agent);
	free(poster);
}

int
poster_reload(struct poster *poster, char **why)
{
	if (tls_reload(poster->tls, why) != 0)
		return -1;
	pool_renew(poster->pool);
	return 0;
}

void
poster_stats(const struct poster *poster, struct poster_stats *stats)
{
	*stats = poster->totals;
	stats->lookups = resolve_lookups(poster->resolver);
	stats->open = pool_open_count(poster->pool);
	stats->idle = pool_idle_count(poster->pool);
}

static void
poster_arm(struct poster *poster, int64_t deadline_us, int64_t now)
{
	int64_t us = deadline_us > now ? deadline_us - now : 0;
	struct timeval tv = {.tv_sec = us / 1000000, .tv_usec = us % 1000000};

	event_add(&poster->timer, &tv);
	poster->armed_us = deadline_us;
}

/* Nearly all POSTs of a list have the same time, so that the right place is at its end. */
static void
poster_insert(struct poster *poster, struct post_list *list, struct post *post, int64_t now)
{
	struct post *before = TAILQ_LAST(list, post_list);

	while (before != NULL && before->deadline_us > post->deadline_us)
		before = TAILQ_PREV(before, post_list, link);
	if (before != NULL)
		TAILQ_INSERT_AFTER(list, before, post, link);
	else
		TAILQ_INSERT_HEAD(list, post, link);
	post->list = list;
	/* The timer is left to fire early when the first POST has gone: cheaper than moving it. */
	if (poster->armed_us > post->deadline_us)
		poster_arm(poster, post->deadline_us, now);
}

static void
poster_take_off(struct post *post)
{
	TAILQ_REMOVE(post->list, post, link);
	post->list = NULL;
}

void
poster_move(struct post *post, struct post_list *list, int64_t deadline_us)
{
	poster_take_off(post);
	post->deadline_us = deadline_us;
	poster_insert(post->poster, list, post, clock_mono_us());
}

struct post *
poster_add(struct poster *poster, int64_t timeout_ms)
{
	struct post *post = TAILQ_FIRST(&poster->spare);
	struct answer answer = {0};
	struct buf head = {.secret = true}; /* URL and headers of its endpoint */

	if (post != NULL) {
		TAILQ_REMOVE(&poster->spare, post, link);
		poster->nspare--;
		answer = post->answer;
		head = post->head;
	} else {
		post = xmalloc(sizeof *post);
	}
	/* Of the one before, which was perhaps another tenant's, nothing stays but memory. */
	memset(post, 0, sizeof *post);
	post->answer = answer;
	answer_reset(&post->answer, 0, 0);
	post->head = head;
	post->poster = poster;
	post->start_us = clock_mono_us();
	post->deadline_us = post->start_us + timeout_ms * 1000;
	poster_insert(poster, &poster->posts, post, post->start_us);
	return post;
}

static void
poster_unqueue(struct post *post)
{
	if (!post->queued)
		return;
	post->queued = false;
	TAILQ_REMOVE(&post->poster->queue, post, work);
	post->poster->nqueue--;
}

static void
poster_discard(struct post *post)
{
	answer_clear(&post->answer);
	buf_clear(&post->head);
	free(post);
}

static void
poster_spare(struct poster *poster, struct post *post)
{
	if (poster->nspare == POSTER_SPARE) {
		poster_discard(post);
		return;
	}
	if (post->answer.line.cap > POSTER_KEPT)
		buf_clear(&post->answer.line);
	if (post->head.cap > POSTER_KEPT)
		buf_clear(&post->head);
	else
		buf_reset(&post->head);
	TAILQ_INSERT_HEAD(&poster->spare, post, link);
	poster->nspare++;
}

void
poster_remove(struct post *post)
{
	poster_take_off(post);
	poster_unqueue(post);
	poster_spare(post->poster, post);
}

void
poster_enqueue(struct post *post)
{
	struct poster *poster = post->poster;

	if (post->queued)
		return;
	post->queued = true;
	TAILQ_INSERT_TAIL(&poster->queue, post, work);
	if (poster->nqueue++ == 0 && poster->gone == NULL)
		event_active(&poster->work, EV_TIMEOUT, 0);
}

/* Neither free nor listed while fn runs, whatever fn does. */
static void
poster_tell(struct poster *poster, struct post *post, const bool *gone)
{
	struct post_list *list = post->list;
	bool done = post->state == POST_DONE;

	poster_take_off(post);
	if (done)
		post_finish(post);
	else
		post_tell(post);
	if (*gone)
		poster_discard(post);
	else if (done)
		poster_spare(poster, post);
	else
		poster_insert(poster, list, post, clock_mono_us());
}

static void
poster_ev_work(evutil_socket_t fd, short what, void *arg)
{
	struct poster *poster = arg;
	size_t left = poster->nqueue;
	struct timeval next_turn = {0};
	bool gone = false;
	struct post *post;

	(void)fd;
	(void)what;
	poster->gone = &gone;
	/* What is added meanwhile waits a turn, so that sockets are looked at in between. */
	while (!gone && left-- > 0 && (post = TAILQ_FIRST(&poster->queue)) != NULL) {
		poster_unqueue(post);
		if (post->state == POST_AGAIN)
			post_again(post);
		else if (post->state == POST_BODY)
			post_tell_head(post);
		else
			poster_tell(poster, post, &gone);
	}
	if (gone)
		return;
	poster->gone = NULL;
	if (!TAILQ_EMPTY(&poster->queue))
		event_add(&poster->work, &next_turn);
}

static void
poster_expire(struct poster *poster, struct post_list *list, int64_t now)
{
	struct post *post, *next;

	for (post = TAILQ_FIRST(list); post != NULL && post->deadline_us <= now; post = next) {
		next = TAILQ_NEXT(post, link);
		post_expire(post); /* stays here or goes to another list: only the queue removes */
	}
	if (post != NULL && post->deadline_us < poster->armed_us)
		poster_arm(poster, post->deadline_us, now);
}

static void
poster_ev_timer(evutil_socket_t fd, short what, void *arg)
{
	struct poster *poster = arg;
	int64_t now = clock_mono_us();

	(void)fd;
	(void)what;
	poster->armed_us = INT64_MAX;
	poster_expire(poster, &poster->posts, now);
	poster_expire(poster, &poster->bodies, now);
	poster_expire(poster, &poster->drains, now);
}
