/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/committer.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "common/clk.h"

/* How long a batch is left open while there is a crowd: a host does not notice, and each sync that
 * is saved is CPU time for signatures, also where the disk itself is fast. */
#define COMMITTER_GATHER_NS 10000000

/* How long results are handed to the loop in one go: where a slow token signs, a whole batch would
 * keep all others, and the manager's watchdog, from their turn. */
#define COMMITTER_TURN_NS (100 * CLK_NS_PER_MS)

/* Jobs in the order they came. */
struct committer_queue {
	struct committer_job *first, **end;
};

struct committer {
	struct ztsdb *db; /* the thread's */
	size_t last_n;    /* jobs of the last batch; the thread's, too */
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake, full;
	size_t n_waiting;
	struct committer_queue waiting, finished;
	struct committer_stats stats;
	bool ending;
	int event_fd; /* readable when something is finished */
	struct event *on_finished;
};

static void committer_clear(struct committer_queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void committer_push(struct committer_queue *q, struct committer_job *job)
{
	job->next = NULL;
	*q->end = job;
	q->end = &job->next;
}

static struct committer_job *committer_pop(struct committer_queue *q)
{
	struct committer_job *job = q->first;

	if (!job)
		return NULL;
	q->first = job->next;
	if (!q->first)
		q->end = &q->first;
	return job;
}

/* More than one job in the last batch is a crowd: waits a moment for a full batch. */
static void committer_gather(struct committer *c)
{
	struct timespec until;
	int r = 0;

	if (c->last_n <= 1)
		return;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += COMMITTER_GATHER_NS;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	while (r == 0 && c->n_waiting < COMMITTER_BATCH_MAX && !c->ending)
		r = pthread_cond_clockwait(&c->full, &c->lock, CLOCK_MONOTONIC, &until);
}

/* Waits for work and moves it to @ret. Gives how much; 0 = the end. */
static size_t committer_take(struct committer *c, struct committer_queue *ret)
{
	size_t n = 0;

	committer_clear(ret);
	pthread_mutex_lock(&c->lock);
	while (!c->waiting.first && !c->ending)
		pthread_cond_wait(&c->wake, &c->lock);
	committer_gather(c);
	for (; n < COMMITTER_BATCH_MAX && c->waiting.first; n++)
		committer_push(ret, committer_pop(&c->waiting));
	c->n_waiting -= n;
	pthread_mutex_unlock(&c->lock);
	c->last_n = n;
	return n;
}

/* One transaction. Errors: 0; -errno, and then nothing of it happened. */
static int committer_write(struct committer *c, struct committer_queue *batch)
{
	int r = ztsdb_begin(c->db);

	for (struct committer_job *job = batch->first; job && r == 0; job = job->next) {
		job->result = job->registering ? ztsdb_register(c->db, &job->issue) :
						 ztsdb_refresh(c->db, &job->issue);
		if (job->result < 0)
			r = job->result;
	}
	if (r == 0)
		r = ztsdb_commit(c->db);
	if (r < 0)
		ztsdb_rollback(c->db);
	return r;
}

static void committer_hand_back(struct committer *c, struct committer_queue *batch, size_t n, int r)
{
	struct committer_job *job;

	pthread_mutex_lock(&c->lock);
	while ((job = committer_pop(batch))) {
		if (r < 0)
			job->result = r;
		committer_push(&c->finished, job);
	}
	c->stats.batches += r == 0;
	c->stats.jobs += r == 0 ? n : 0;
	c->stats.failed += r < 0;
	pthread_mutex_unlock(&c->lock);
	(void)eventfd_write(c->event_fd, 1);
}

static void *committer_main(void *arg)
{
	struct committer *c = arg;
	struct committer_queue batch;
	size_t n;

	while ((n = committer_take(c, &batch)) > 0) {
		int r = committer_write(c, &batch);

		committer_hand_back(c, &batch, n, r);
	}
	return NULL;
}

/* Gives whether there was one. */
static bool committer_deliver(struct committer *c)
{
	struct committer_job *job;

	pthread_mutex_lock(&c->lock);
	job = committer_pop(&c->finished);
	pthread_mutex_unlock(&c->lock);
	if (job)
		job->done(job, job->result);
	return job != NULL;
}

static void committer_on_finished(evutil_socket_t fd, short what, void *arg)
{
	uint64_t until_ns = clk_now_ns() + COMMITTER_TURN_NS;
	eventfd_t n;

	(void)eventfd_read(fd, &n);
	while (committer_deliver(arg))
		if (clk_now_ns() >= until_ns) {
			(void)eventfd_write(fd, 1); /* the rest comes with the next turn */
			return;
		}
}

static int committer_start(struct committer *c)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&c->thread, NULL, committer_main, c);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	c->has_thread = r == 0;
	return -r;
}

static int committer_set_up(struct committer *c, struct event_base *base, const char *path)
{
	int r = ztsdb_open(path, true, &c->db);

	if (r < 0)
		return r;
	c->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->event_fd < 0)
		return -errno;
	c->on_finished = event_new(base, c->event_fd, EV_READ | EV_PERSIST, committer_on_finished,
				   c);
	if (!c->on_finished || event_add(c->on_finished, NULL) < 0)
		return -ENOMEM;
	return committer_start(c);
}

int committer_open(struct event_base *base, const char *path, struct committer **ret)
{
	struct committer *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	pthread_cond_init(&c->full, NULL);
	committer_clear(&c->waiting);
	committer_clear(&c->finished);
	c->event_fd = -1;
	r = committer_set_up(c, base, path);
	if (r < 0) {
		committer_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

void committer_submit(struct committer *c, struct committer_job *job)
{
	pthread_mutex_lock(&c->lock);
	committer_push(&c->waiting, job);
	if (++c->n_waiting == 1)
		pthread_cond_signal(&c->wake);
	if (c->n_waiting == COMMITTER_BATCH_MAX)
		pthread_cond_signal(&c->full);
	pthread_mutex_unlock(&c->lock);
}

struct committer_stats committer_read_stats(struct committer *c)
{
	struct committer_stats stats;

	pthread_mutex_lock(&c->lock);
	stats = c->stats;
	pthread_mutex_unlock(&c->lock);
	return stats;
}

void committer_close(struct committer *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->ending = true;
	pthread_cond_signal(&c->wake);
	pthread_cond_signal(&c->full);
	pthread_mutex_unlock(&c->lock);
	if (c->has_thread)
		pthread_join(c->thread, NULL);
	while (committer_deliver(c))
		;
	if (c->on_finished)
		event_free(c->on_finished);
	closep(&c->event_fd);
	ztsdb_close(c->db);
	pthread_cond_destroy(&c->wake);
	pthread_cond_destroy(&c->full);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
