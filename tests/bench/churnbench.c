/* SPDX-License-Identifier: MIT */
/*
 * Whether netpolicyd stays small: thousands of policies loaded, tables deleted by a stranger,
 * grants given and ended, and its memory on the way. Called by tests/bench/churn; in a network
 * namespace of its own.
 *
 *   bench-churn NETPOLICYD BATCHFILE [ROUNDS]
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
#include "netpolicy/apply/batchfile.h"
#include "netpolicy/apply/ctlwire.h"
#include "netpolicy/apply/kernio.h"
#include "netpolicy/apply/outbox.h"
#include "tests/bench/benchrow.h"

#define BENCH_ROUNDS 10000
#define BENCH_PRINTS 10
#define BENCH_WAIT_MS 10000

struct bench {
	struct kernio *k;
	struct batchfile f;
	pid_t daemon;
	char dir[64];
	char socket[96], next[96];
};

static void bench_die(const char *what, int r)
{
	fprintf(stderr, "bench-churn: %s: %s\n", what, strerror(r < 0 ? -r : r));
	exit(1);
}

static struct ctlwire_answer *bench_ask(struct bench *b, const struct ctlwire_request *q)
{
	static struct ctlwire_answer a;
	int r = ctlwire_call(b->socket, q, BENCH_WAIT_MS, &a);

	if (r != 0)
		bench_die("netpolicyd", r);
	return &a;
}

static void bench_start(struct bench *b, const char *program)
{
	b->daemon = fork();
	if (b->daemon == 0) {
		execl(program, program, "--state-dir", b->dir, "--socket", b->socket, "--no-owner",
		      (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 1000 && access(b->socket, F_OK) < 0; i++)
		(void)poll(NULL, 0, 10);
}

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
	/* It may be gone, or changing, at this moment: netpolicyd is at work. */
	if (r < 0 && r != -ENOENT && r != -EBUSY)
		bench_die("cannot delete the table", r);
}

static void bench_grant(struct bench *b, int round)
{
	struct ctlwire_request q = { .op = CTLWIRE_GRANT_ADD, .seconds = 60 };

	snprintf(q.name, sizeof(q.name), "%s", b->f.n_grants ? b->f.grants[0].name : "none");
	q.addr = b->f.n_grants ? b->f.grants[0].nets[0].addr : in6addr_loopback;
	q.addr.s6_addr[15] = (uint8_t)round;
	q.id = bench_ask(b, &q)->id;
	q.op = CTLWIRE_GRANT_END;
	bench_ask(b, &q);
}

static void bench_round(struct bench *b, int round)
{
	const struct ctlwire_request apply = { .op = CTLWIRE_APPLY };
	int r = batchfile_write(b->next, &b->f);

	if (r == 0)
		r = bench_ask(b, &apply)->result;
	if (r != 0 && r != -EBUSY)
		bench_die("apply", r);
	bench_disturb(b);
	bench_grant(b, round);
}

static void bench_print(const struct bench *b, int round)
{
	char what[64];

	snprintf(what, sizeof(what), "after %d rounds", round);
	benchrow_memory(what, b->daemon);
}

static void bench_set_up(struct bench *b, const char *file)
{
	char path[96];
	int r = batchfile_read(file, &b->f);

	/* In memory: it is not the disk that is looked at. */
	snprintf(b->dir, sizeof(b->dir), "/dev/shm/bench-churn-XXXXXX");
	if (r < 0)
		bench_die(file, r);
	if (!mkdtemp(b->dir) || unshare(CLONE_NEWNET) < 0)
		bench_die("a directory and a namespace", errno);
	snprintf(b->socket, sizeof(b->socket), "%s/sock", b->dir);
	snprintf(b->next, sizeof(b->next), "%s/policy.next", b->dir);
	snprintf(path, sizeof(path), "%s/policy.batch", b->dir);
	r = batchfile_write(path, &b->f);
	if (r == 0)
		r = kernio_open(&b->k);
	if (r < 0)
		bench_die("set up", r);
}

static void bench_clean_up(struct bench *b)
{
	static const char *const names[] = { "policy.batch", "policy.batch.prev",
					     "policy.next",  "policy.next.prev",
					     "grants",       "sock" };
	char path[128];

	kill(b->daemon, SIGTERM);
	waitpid(b->daemon, NULL, 0);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", b->dir, names[i]);
		unlink(path);
	}
	rmdir(b->dir);
}

int main(int argc, char **argv)
{
	static struct benchrow row;
	static struct bench b;
	int rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : BENCH_ROUNDS;

	if (argc < 3 || rounds < BENCH_PRINTS) {
		fputs("usage: bench-churn NETPOLICYD BATCHFILE [ROUNDS]\n", stderr);
		return 64;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	bench_set_up(&b, argv[2]);
	bench_start(&b, argv[1]);
	benchrow_head(
		"churn: a policy loaded, the table deleted by a stranger, a grant given and ended");
	for (int i = 0; i < rounds; i++) {
		benchrow_start(&row);
		bench_round(&b, i);
		benchrow_stop(&row);
		if ((i + 1) % (rounds / BENCH_PRINTS) == 0)
			bench_print(&b, i + 1);
	}
	benchrow_print(&row, "a round", NULL);
	bench_clean_up(&b);
	return 0;
}
