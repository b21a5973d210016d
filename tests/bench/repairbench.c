/* SPDX-License-Identifier: MIT */
/*
 * How long rules stay wrong: a stranger empties our table or flushes everything, netpolicyd puts it
 * right. Measured from before the stranger's commit to netpolicyd's own, as the event stream tells
 * it; beside it, in the same run, a plain replay of the batch by the applier. Needs root; makes a
 * network namespace of its own. usage: bench-repair NETPOLICYD BATCHFILE [RUNS]
 */
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clk.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/batchfile.h"
#include "netpolicy/apply/ctlwire.h"
#include "netpolicy/apply/outbox.h"
#include "netpolicy/observe/drift.h"

#define BENCH_RUNS 200
#define BENCH_RUNS_MAX 10000
#define BENCH_PAUSE_MS 105 /* between runs, so that no fight is seen */
#define BENCH_WAIT_MS 5000

struct bench {
	struct kernio *k;
	struct drift_watch watch;
	struct batchfile f;
	pid_t daemon;
	char dir[64];
	char socket[96];
	int runs;
	double disturb_us[BENCH_RUNS_MAX], repair_us[BENCH_RUNS_MAX], replay_us[BENCH_RUNS_MAX];
};

static void bench_die(const char *what, int r)
{
	fprintf(stderr, "bench-repair: %s: %s\n", what, strerror(r < 0 ? -r : r));
	exit(1);
}

static int bench_compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* Prints, and gives the median. */
static double bench_print(const char *what, double *us, int n)
{
	qsort(us, (size_t)n, sizeof(us[0]), bench_compare);
	printf("%-24s runs %5d  median %8.0f us  p99 %8.0f us  worst %8.0f us\n", what, n,
	       us[n / 2], us[n * 99 / 100], us[n - 1]);
	return us[n / 2];
}

static void bench_start(struct bench *b, const char *program)
{
	const struct ctlwire_request q = { .op = CTLWIRE_STATUS };
	static struct ctlwire_answer a;
	int r = -ENOENT;

	b->daemon = fork();
	if (b->daemon == 0) {
		execl(program, program, "--state-dir", b->dir, "--socket", b->socket, "--no-owner",
		      (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000 && r != 0; i++) {
		(void)poll(NULL, 0, 10);
		r = ctlwire_call(b->socket, &q, BENCH_WAIT_MS, &a);
	}
	if (r != 0)
		bench_die("netpolicyd does not answer", r);
}

/* Deletes our table in one commit, as a flush does. */
static void bench_disturb(struct bench *b)
{
	struct outbox_delete what = { .type = NFT_MSG_DELTABLE };
	uint32_t generation, seq;
	struct outbox out;
	int r = kernio_generation(b->k, &generation);

	out = outbox_begin(generation);
	outbox_delete(&out, &what);
	if (r == 0)
		r = outbox_end(&out);
	if (r == 0)
		r = kernio_commit(b->k, out.bytes, out.len, &seq);
	outbox_release(&out);
	if (r != 0)
		bench_die("cannot delete the table", r);
}

/* Waits for the next commit of netpolicyd. */
static void bench_wait(struct bench *b)
{
	struct pollfd p = { .fd = b->watch.fd, .events = POLLIN };
	struct drift_commit c;

	for (;;) {
		int r = drift_next(&b->watch, &c);

		if (r == 0 && c.pid == (uint32_t)b->daemon)
			return;
		if (r == DRIFT_E_NONE && poll(&p, 1, BENCH_WAIT_MS) != 1)
			bench_die("no repair came", ETIMEDOUT);
		if (r < 0 || r == DRIFT_E_OVERRUN)
			bench_die("events", r < 0 ? r : ENOBUFS);
	}
}

static void bench_drain(struct bench *b)
{
	struct drift_commit c;

	while (drift_next(&b->watch, &c) != DRIFT_E_NONE)
		;
}

static void bench_check(struct bench *b)
{
	struct applier_result result;
	int r = applier_check(b->k, &b->f.expected, &result);

	if (r != 0)
		bench_die("not as it should be after a repair", r < 0 ? r : EIO);
	applier_release(&result);
}

static void bench_repair(struct bench *b)
{
	for (int i = 0; i < b->runs; i++) {
		uint64_t start;

		(void)poll(NULL, 0, BENCH_PAUSE_MS);
		bench_drain(b);
		start = clk_now_ns();
		bench_disturb(b);
		b->disturb_us[i] = (double)(clk_now_ns() - start) / 1000;
		bench_wait(b);
		b->repair_us[i] = (double)(clk_now_ns() - start) / 1000;
		bench_check(b);
	}
}

/* The same without netpolicyd: delete, load, no reading. */
static void bench_replay(struct bench *b)
{
	for (int i = 0; i < b->runs; i++) {
		struct applier_result result;
		uint64_t start = clk_now_ns();
		int r;

		bench_disturb(b);
		r = applier_apply(b->k, b->f.batch, b->f.batch_len, NULL, &result);
		if (r != 0)
			bench_die("replay", r);
		b->replay_us[i] = (double)(clk_now_ns() - start) / 1000;
		applier_release(&result);
	}
}

static void bench_print_memory(const struct bench *b)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", b->daemon);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmRSS", 5) || !strncmp(line, "RssAnon", 7))
			fputs(line, stdout);
	if (f)
		fclose(f);
}

static void bench_set_up(struct bench *b, const char *file)
{
	char path[128];
	int r = batchfile_read(file, &b->f);

	snprintf(b->dir, sizeof(b->dir), "/tmp/bench-repair-XXXXXX");
	if (r < 0)
		bench_die(file, r);
	if (!mkdtemp(b->dir) || unshare(CLONE_NEWNET) < 0)
		bench_die("a directory and a namespace", errno);
	snprintf(b->socket, sizeof(b->socket), "%s/sock", b->dir);
	snprintf(path, sizeof(path), "%s/policy.batch", b->dir);
	r = batchfile_write(path, &b->f);
	if (r == 0)
		r = kernio_open(&b->k);
	if (r == 0)
		r = drift_open(&b->watch);
	if (r < 0)
		bench_die("set up", r);
}

static void bench_clean_up(struct bench *b)
{
	static const char *const names[] = { "policy.batch", "policy.batch.prev", "grants",
					     "sock" };
	char path[128];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", b->dir, names[i]);
		unlink(path);
	}
	rmdir(b->dir);
}

int main(int argc, char **argv)
{
	static struct bench b;
	double repair, replay;

	b.runs = argc > 3 ? (int)strtol(argv[3], NULL, 10) : BENCH_RUNS;
	if (argc < 3 || b.runs < 1 || b.runs > BENCH_RUNS_MAX) {
		fputs("usage: bench-repair NETPOLICYD BATCHFILE [RUNS]\n", stderr);
		return 64;
	}
	bench_set_up(&b, argv[2]);
	bench_start(&b, argv[1]);
	bench_repair(&b);
	bench_print_memory(&b);
	kill(b.daemon, SIGTERM);
	waitpid(b.daemon, NULL, 0);
	bench_replay(&b);
	bench_clean_up(&b);
	bench_print("the flush itself", b.disturb_us, b.runs);
	repair = bench_print("flush to repaired", b.repair_us, b.runs);
	replay = bench_print("flush and plain replay", b.replay_us, b.runs);
	printf("ratio of the medians %.2f\n", repair / replay);
	return 0;
}
