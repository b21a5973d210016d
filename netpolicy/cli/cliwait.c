/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/cliwait.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "common/log.h"

struct cliwait {
	const char *what;
	pthread_t thread;
	int over; /* eventfd: readable once the work is done */
};

static void *cliwait_run(void *ctx)
{
	const struct cliwait *w = ctx;
	struct pollfd pollfd = { .fd = w->over, .events = POLLIN };
	int waited = 0, next = CLIWAIT_FIRST_S;

	while (poll(&pollfd, 1, next * 1000) == 0) {
		waited += next;
		next = CLIWAIT_NEXT_S;
		log_info("%s, %d s so far", w->what, waited);
	}
	return NULL;
}

struct cliwait *cliwait_begin(const char *what)
{
	struct cliwait *w = calloc(1, sizeof(*w));
	sigset_t all, before;
	int r;

	if (!w)
		return NULL;
	w->what = what;
	w->over = eventfd(0, EFD_CLOEXEC);
	/* Signals are the main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	r = w->over < 0 ? -1 : pthread_create(&w->thread, NULL, cliwait_run, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		return w;
	closep(&w->over);
	free(w);
	return NULL;
}

void cliwait_endp(struct cliwait **w)
{
	if (!*w)
		return;
	/* Cannot fail: the count is far below its limit. */
	(void)eventfd_write((*w)->over, 1);
	pthread_join((*w)->thread, NULL);
	closep(&(*w)->over);
	free(*w);
	*w = NULL;
}
