/* SPDX-License-Identifier: MIT */
/*
 * What it costs to bring a policy into the kernel: the recorded batch replayed, the same text by
 * libnftables in this process, by "nft -f", and netpolicy-boot as a whole process. All in one run,
 * in a network namespace of its own; median and worst of the wall clock, ratios to the replay, and
 * the median of the processor time, which counts on a busy machine.
 *
 *   bench-replay [-q] BUILD       -q: fewer runs
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <nftables/libnftables.h>

#include "common/attr.h"
#include "common/buf.h"
#include "common/clk.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/batchfile.h"
#include "netpolicy/compile/compiler.h"
#include "tests/unit/netpolicy/nftfixture.h"

#define BENCH_RUNS_MAX 400
#define BENCH_RULES 46 /* beside those of the fixture: 60 */

struct bench {
	struct kernio *k;
	struct nft_ctx *nft;
	struct compilewire_reply policy;
	char text_path[64], boot[4096], state[64];
	uint64_t cpu_ns; /* of the last child */
};

/* Processor time of this process, the kernel's part included. */
static uint64_t bench_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * CLK_NS_PER_S + (uint64_t)t.tv_nsec;
}

static void bench_die(const char *what, const char *why)
{
	fprintf(stderr, "bench-replay: %s: %s\n", what, why);
	exit(2);
}

static int bench_replay(struct bench *b)
{
	_cleanup_(applier_release) struct applier_result result = { 0 };

	return applier_apply(b->k, b->policy.batch, b->policy.batch_len, NULL, &result);
}

static int bench_check(struct bench *b)
{
	_cleanup_(applier_release) struct applier_result result = { 0 };

	return applier_check(b->k, &b->policy.expected, &result);
}

static int bench_library(struct bench *b)
{
	return nft_run_cmd_from_filename(b->nft, b->text_path);
}

static int bench_spawn(struct bench *b, char *const argv[])
{
	struct rusage used;
	int status;
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0 ||
	    wait4(pid, &status, 0, &used) != pid)
		return -1;
	b->cpu_ns = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * CLK_NS_PER_S +
		    (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000;
	return status;
}

static int bench_nft(struct bench *b)
{
	char *argv[] = { (char *)"nft", (char *)"-f", b->text_path, NULL };

	return bench_spawn(b, argv);
}

static int bench_boot(struct bench *b)
{
	char *argv[] = { b->boot, (char *)"--state-dir", b->state, NULL };

	return bench_spawn(b, argv);
}

static int bench_order(const void *pa, const void *pb)
{
	const uint64_t *a = pa, *b = pb;

	return (*a > *b) - (*a < *b);
}

/* Runs @fn and prints a row. Gives the median in ns. */
static uint64_t bench_row(struct bench *b, const char *name, size_t runs, int (*fn)(struct bench *),
			  uint64_t base)
{
	static uint64_t wall[BENCH_RUNS_MAX], cpu[BENCH_RUNS_MAX];

	b->cpu_ns = 0;
	for (size_t i = 0; i < runs; i++) {
		uint64_t start = clk_now_ns(), cpu_start = bench_cpu_ns();

		if (fn(b) != 0)
			bench_die(name, "failed");
		wall[i] = clk_now_ns() - start;
		cpu[i] = b->cpu_ns ? b->cpu_ns : bench_cpu_ns() - cpu_start;
	}
	qsort(wall, runs, sizeof(wall[0]), bench_order);
	qsort(cpu, runs, sizeof(cpu[0]), bench_order);
	printf("  %-24s %5zu %10.3f %10.3f", name, runs, (double)wall[runs / 2] / 1e6,
	       (double)wall[runs - 1] / 1e6);
	if (base)
		printf(" %8.1f", (double)wall[runs / 2] / (double)base);
	else
		printf(" %8s", "1");
	printf(" %10.3f\n", (double)cpu[runs / 2] / 1e6);
	fflush(stdout);
	return wall[runs / 2];
}

static char *bench_text(size_t n_prefixes)
{
	_cleanup_(buf_release) struct buf more = buf_init(65536);

	for (int i = 0; i < BENCH_RULES; i++)
		buf_addf(&more,
			 "add rule inet postern from_up ip6 saddr 2001:db8:%x::/64 tcp dport %d "
			 "counter accept comment \"page.conf:%d\"\n",
			 i, 1000 + i, i);
	return buf_done(&more) < 0 ? NULL : nftfixture_text(n_prefixes, more.text);
}

/* The text as a file, compiled, and as the saved policy of boot. */
static void bench_prepare(struct bench *b, size_t n_prefixes)
{
	struct compilewire_request q = { .n_devices = 1, .devices = { "eth0" } };
	struct batchfile file = { .about = "bench" };
	char path[128], *text = bench_text(n_prefixes);
	FILE *out = fopen(b->text_path, "w");

	if (!text || !out || fputs(text, out) < 0 || fclose(out) != 0)
		bench_die(b->text_path, strerror(errno));
	q.text = text;
	q.text_len = strlen(text);
	compilewire_release_reply(&b->policy);
	if (compiler_run(&q, &b->policy) < 0)
		bench_die("compile", b->policy.error);
	file.batch = b->policy.batch;
	file.batch_len = b->policy.batch_len;
	file.expected = b->policy.expected;
	snprintf(path, sizeof(path), "%s/policy.batch", b->state);
	if (batchfile_write(path, &file) < 0)
		bench_die(path, strerror(errno));
	free(text);
}

static void bench_size(struct bench *b, size_t n_prefixes, size_t runs)
{
	uint64_t base, start = clk_now_ns();

	bench_prepare(b, n_prefixes);
	printf("60 rules, %zu prefixes: batch of %zu bytes, compiled in %.1f ms\n", n_prefixes,
	       b->policy.batch_len, (double)(clk_now_ns() - start) / 1e6);
	printf("  %-24s %5s %10s %10s %8s %10s\n", "", "runs", "median ms", "worst ms", "ratio",
	       "cpu ms");
	if (applier_unload(b->k) < 0 || bench_boot(b) != 0)
		bench_die("boot", "failed");
	base = bench_row(b, "replay", runs, bench_replay, 0);
	bench_row(b, "read and compare", runs, bench_check, base);
	bench_row(b, "netpolicy-boot", runs, bench_boot, base);
	if (applier_unload(b->k) < 0)
		bench_die("unload", "failed");
	bench_row(b, "libnftables in process", runs, bench_library, base);
	bench_row(b, "nft -f", runs, bench_nft, base);
	/* What it holds may be gigabytes by now. */
	nft_ctx_free(b->nft);
	b->nft = nft_ctx_new(NFT_CTX_DEFAULT);
}

int main(int argc, char **argv)
{
	bool is_quick = argc == 3 && !strcmp(argv[1], "-q");
	struct bench b = { .text_path = "/tmp/bench-replay.XXXXXX",
			   .state = "/tmp/bench-state.XXXXXX" };
	char *link[] = { (char *)"ip",   (char *)"link", (char *)"add", (char *)"eth0",
			 (char *)"type", (char *)"veth", NULL };
	char libexec[4096];
	int fd;

	if (argc != 2 + is_quick)
		bench_die("usage", "bench-replay [-q] BUILD");
	snprintf(b.boot, sizeof(b.boot), "%.4000s/netpolicy/netpolicy-boot", argv[argc - 1]);
	snprintf(libexec, sizeof(libexec), "%.4000s/netpolicy", argv[argc - 1]);
	setenv("POSTERN_LIBEXECDIR", libexec, 1);
	fd = mkstemp(b.text_path);
	if (fd < 0 || !mkdtemp(b.state))
		bench_die("/tmp", strerror(errno));
	close(fd);
	fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (unshare(CLONE_NEWNET) < 0 || fd < 0)
		bench_die("a network namespace", strerror(errno));
	dup2(fd, STDERR_FILENO); /* boot says each time what it does */
	if (bench_spawn(&b, link) != 0 || kernio_open(&b.k) < 0)
		return 2;
	b.nft = nft_ctx_new(NFT_CTX_DEFAULT);
	bench_size(&b, 0, is_quick ? 40 : 400);
	bench_size(&b, 1000, is_quick ? 20 : 100);
	bench_size(&b, 10000, is_quick ? 5 : 25);
	bench_size(&b, 100000, is_quick ? 2 : 5);
	nft_ctx_free(b.nft);
	kernio_close(b.k);
	compilewire_release_reply(&b.policy);
	unlink(b.text_path);
	for (int i = 0; i < 2; i++) {
		snprintf(libexec, sizeof(libexec), "%s/policy.batch%s", b.state, i ? ".prev" : "");
		unlink(libexec);
	}
	return rmdir(b.state) != 0;
}
