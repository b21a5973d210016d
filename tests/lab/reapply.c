/* SPDX-License-Identifier: MIT */
/*
 * reapply: loads two recorded batches in turn, as often as asked, and says how long that took. Lab
 * only, in a namespace of its own.
 *
 *   reapply A.batch B.batch TIMES
 *
 * Each is a replay of the whole batch, guard included. Every hundredth is also read back and
 * compared. Prints "N applied, N compared, median N us, worst N us". Exit status 0; 1 when the
 * kernel refused one or held something else; 2 when it could not run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/batchfile.h"

#define REAPPLY_COMPARE_EACH 100
#define REAPPLY_EXIT_TROUBLE 2

static unsigned long reapply_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long)t.tv_sec * 1000000 + (unsigned long)t.tv_nsec / 1000;
}

static int reapply_by_size(const void *a, const void *b)
{
	const unsigned long *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static int reapply_complain(const char *what, int r, const struct applier_result *result)
{
	fprintf(stderr, "reapply: %s: error %d %s\n", what, r, result->error);
	return 1;
}

static int reapply_once(struct kernio *k, const struct batchfile *f, bool compares)
{
	_cleanup_(applier_release) struct applier_result result = { 0 };
	_cleanup_(applier_release) struct applier_result seen = { 0 };
	int r = applier_apply(k, f->batch, f->batch_len, NULL, &result);

	if (r || result.was_replaced)
		return reapply_complain("not loaded in place", r, &result);
	if (!compares)
		return 0;
	r = applier_check(k, &f->expected, &seen);
	return r ? reapply_complain("loaded, and not what the kernel holds", r, &seen) : 0;
}

/* Gives the exit status. @us: the microseconds of each, room for @times. */
static int reapply_run(struct kernio *k, const struct batchfile f[static 2], unsigned long times,
		       unsigned long *us)
{
	unsigned long i, compared = 0;

	for (i = 0; i < times; i++) {
		bool compares = i % REAPPLY_COMPARE_EACH == REAPPLY_COMPARE_EACH - 1;
		unsigned long from = reapply_now_us();
		int r = reapply_once(k, &f[i % 2], compares);

		if (r)
			return r;
		us[i] = reapply_now_us() - from;
		compared += compares;
	}
	qsort(us, times, sizeof(*us), reapply_by_size);
	printf("%lu applied, %lu compared, median %lu us, worst %lu us\n", times, compared,
	       us[times / 2], us[times - 1]);
	return 0;
}

int main(int argc, char **argv)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	_cleanup_(batchfile_release) struct batchfile a = { .batch = NULL };
	_cleanup_(batchfile_release) struct batchfile b = { .batch = NULL };
	struct batchfile both[2];
	unsigned long times = argc == 4 ? strtoul(argv[3], NULL, 10) : 0, *us;
	int r;

	if (!times) {
		fprintf(stderr, "usage: reapply A.batch B.batch TIMES\n");
		return REAPPLY_EXIT_TROUBLE;
	}
	if (batchfile_read(argv[1], &a) < 0 || batchfile_read(argv[2], &b) < 0 ||
	    kernio_open(&k) < 0) {
		fprintf(stderr, "reapply: cannot read the batches, or no nf_tables\n");
		return REAPPLY_EXIT_TROUBLE;
	}
	both[0] = a;
	both[1] = b;
	us = calloc(times, sizeof(*us));
	r = us ? reapply_run(k, both, times, us) : REAPPLY_EXIT_TROUBLE;
	free(us);
	return r;
}
