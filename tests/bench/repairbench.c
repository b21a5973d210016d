/* SPDX-License-Identifier: MIT */
/*
 * How long rules stay wrong: a stranger deletes our table, netpolicyd puts it right. Measured from
 * before the stranger's commit to netpolicyd's own, as the event stream tells it; beside it, in the
 * same run, the same commit and a plain replay by one process. Called by tests/bench/repair; in a
 * network namespace of its own.
 *
 *   bench-repair NETPOLICYD BATCHFILE [RUNS]
 */
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clk.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/batchfile.h"
#include "netpolicy/apply/ctlwire.h"
#include "netpolicy/apply/outbox.h"
#include "netpolicy/observe/drift.h"
#include "tests/bench/benchrow.h"

#define BENCH_RUNS 200
#define BENCH_PAUSE_MS 105 /* between runs, so that no fight is seen */
#define BENCH_WAIT_MS 5000
#define BENCH_GOAL_MS 30

struct bench {
	struct kernio *k;
	struct drift_watch watch;
	struct batchfile f;
	pid_t daemon;
	char dir[64];
	char socket[96];
	int runs;
	int over; /* repairs that took longer than BENCH_GOAL_MS */
	double daemon_cpu_ms;
	struct benchrow disturb, repair, after, replay;
};

static void bench_die(const char *what, int r)
{
	fprintf(stderr, "bench-repair: %s: %s\n", what, strerror(r < 0 ? -r : r));
	exit(1);
}

/* Processor time of netpolicyd so far, in ms. Source: Documentation/scheduler/sched-stats.rst. */
static double bench_daemon_cpu(const struct bench *b)
{
	char path[64], line[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", b->daemon);
	f = fopen(path, "re");
	if (f && !fgets(line, sizeof(line), f))
		line[0] = '\0';
	if (f)
		fclose(f);
	return strtod(line, NULL) / 1e6;
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
		double ms, cpu;

		(void)poll(NULL, 0, BENCH_PAUSE_MS);
		bench_drain(b);
		cpu = bench_daemon_cpu(b);
		benchrow_start(&b->disturb);
		b->repair.wall_from = b->disturb.wall_from;
		bench_disturb(b);
		benchrow_stop(&b->disturb);
		bench_wait(b);
		ms = (double)(clk_now_ns() - b->repair.wall_from) / 1e6;
		bench_check(b);
		benchrow_add(&b->after, ms - b->disturb.wall_ms[i], 0);
		benchrow_add(&b->repair, ms, bench_daemon_cpu(b) - cpu);
		b->over += ms > BENCH_GOAL_MS;
	}
}

/* The same without netpolicyd: delete, load, no reading. */
static void bench_replay(struct bench *b)
{
	for (int i = 0; i < b->runs; i++) {
		struct applier_result result;
		int r;

		benchrow_start(&b->replay);
		bench_disturb(b);
		r = applier_apply(b->k, b->f.batch, b->f.batch_len, NULL, &result);
		if (r != 0)
			bench_die("replay", r);
		benchrow_stop(&b->replay);
		applier_release(&result);
	}
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
	struct benchrow_base base;
	static struct bench b;

	b.runs = argc > 3 ? (int)strtol(argv[3], NULL, 10) : BENCH_RUNS;
	if (argc < 3 || b.runs < 1 || b.runs > BENCHROW_RUNS_MAX) {
		fputs("usage: bench-repair NETPOLICYD BATCHFILE [RUNS]\n", stderr);
		return 64;
	}
	bench_set_up(&b, argv[2]);
	bench_start(&b, argv[1]);
	bench_repair(&b);
	benchrow_head("repair: a stranger deletes the table (goal: median 2 ms, worst 30 ms)");
	benchrow_memory("memory of netpolicyd", b.daemon);
	kill(b.daemon, SIGTERM);
	waitpid(b.daemon, NULL, 0);
	bench_replay(&b);
	bench_clean_up(&b);
	base = benchrow_print(&b.replay, "deleted, plain replay", NULL);
	benchrow_print(&b.disturb, "the deletion itself", &base);
	benchrow_print(&b.after, "its end until repaired", &base);
	benchrow_print(&b.repair, "its begin until repaired", &base);
	printf("  over %d ms: %d of %d\n", BENCH_GOAL_MS, b.over, b.runs);
	return 0;
}
