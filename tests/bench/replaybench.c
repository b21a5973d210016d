/* SPDX-License-Identifier: MIT */
/*
 * What it costs to bring a compiled page into the kernel, in a network namespace of its own: called
 * by tests/bench/replay. PAGE.batch and PAGE.nft are the two forms of one policy.
 *
 *   bench-replay BUILD PAGE RUNS
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nftables/libnftables.h>

#include "common/attr.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/batchfile.h"
#include "tests/bench/benchrow.h"

struct bench {
	struct kernio *k;
	struct nft_ctx *nft;
	struct batchfile file;
	char text_path[4096], state[64], boot[4096], saved[96];
	long child_kb; /* the most memory that the last child had */
};

static void bench_die(const char *what, const char *why)
{
	fprintf(stdout, "bench-replay: %s: %s\n", what, why);
	exit(2);
}

static int bench_replay(struct bench *b)
{
	_cleanup_(applier_release) struct applier_result result = { 0 };

	return applier_apply(b->k, b->file.batch, b->file.batch_len, NULL, &result);
}

static int bench_apply(struct bench *b)
{
	_cleanup_(applier_release) struct applier_result result = { 0 };

	return applier_apply(b->k, b->file.batch, b->file.batch_len, &b->file.expected, &result);
}

static int bench_check(struct bench *b)
{
	_cleanup_(applier_release) struct applier_result result = { 0 };

	return applier_check(b->k, &b->file.expected, &result);
}

/* As main() of netpolicy-boot: a socket of its own, the saved policy, the walk through it, the
 * kernel. */
static int bench_inside(struct bench *b)
{
	_cleanup_(applier_release) struct applier_result result = { 0 };
	_cleanup_(batchfile_release) struct batchfile file = { 0 };
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	char error[BATCH_ERROR_MAX];
	int r = kernio_open(&k);

	if (r == 0)
		r = batchfile_read_front(b->saved, &file);
	if (r == 0)
		r = batch_check(file.batch, file.batch_len, error);
	if (r == 0)
		r = applier_apply(k, file.batch, file.batch_len, NULL, &result);
	return r;
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
	b->child_kb = used.ru_maxrss;
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

/* Runs @fn and prints a row. What is there already is not sent again: so apply finds nothing. */
static struct benchrow_base bench_row(struct bench *b, const char *name, size_t runs,
				      int (*fn)(struct bench *), const struct benchrow_base *base)
{
	static struct benchrow row;
	bool is_fresh = fn == bench_apply;

	b->child_kb = 0;
	for (size_t i = 0; i < runs; i++) {
		if (is_fresh && applier_unload(b->k) < 0)
			bench_die(name, "cannot unload");
		benchrow_start(&row);
		if (fn(b) != 0)
			bench_die(name, "failed");
		benchrow_stop(&row);
	}
	return benchrow_print(&row, name, base);
}

static void bench_set_up(struct bench *b, char **argv)
{
	char *link[] = { (char *)"ip",   (char *)"link", (char *)"add", (char *)"eth0",
			 (char *)"type", (char *)"veth", NULL };
	char path[4096];
	int fd = open("/dev/null", O_WRONLY | O_CLOEXEC), r;

	snprintf(b->boot, sizeof(b->boot), "%.4000s/netpolicy/netpolicy-boot", argv[1]);
	snprintf(b->text_path, sizeof(b->text_path), "%.4000s.nft", argv[2]);
	snprintf(b->state, sizeof(b->state), "/tmp/bench-state.XXXXXX");
	snprintf(path, sizeof(path), "%.4000s.batch", argv[2]);
	r = batchfile_read(path, &b->file);
	if (r < 0)
		bench_die(path, batchfile_strerror(r));
	if (!mkdtemp(b->state) || unshare(CLONE_NEWNET) < 0 || fd < 0)
		bench_die("a network namespace", strerror(errno));
	dup2(fd, STDERR_FILENO); /* boot says each time what it does */
	snprintf(b->saved, sizeof(b->saved), "%s/policy.batch", b->state);
	if (bench_spawn(b, link) != 0 || batchfile_write(b->saved, &b->file) < 0 ||
	    kernio_open(&b->k) < 0)
		bench_die("set up", strerror(errno));
	b->nft = nft_ctx_new(NFT_CTX_DEFAULT);
}

static void bench_run(struct bench *b, const char *page, size_t runs)
{
	struct benchrow_base base;
	char title[256];
	struct stat st;

	snprintf(title, sizeof(title), "60 lines, %s prefixes: text of %lld bytes, batch of %zu",
		 strrchr(page, '/') ? strrchr(page, '/') + 1 : page,
		 stat(b->text_path, &st) == 0 ? (long long)st.st_size : 0, b->file.batch_len);
	benchrow_head(title);
	if (bench_boot(b) != 0)
		bench_die("boot", "failed");
	base = bench_row(b, "replay in place", runs, bench_replay, NULL);
	bench_row(b, "compare with the kernel", runs, bench_check, &base);
	bench_row(b, "apply, all new, read back", runs, bench_apply, &base);
	bench_row(b, "boot, inside main()", runs, bench_inside, &base);
	bench_row(b, "netpolicy-boot, process", runs, bench_boot, &base);
	printf("  %-26s %ld kB\n", "its memory at most", b->child_kb);
	if (applier_unload(b->k) < 0)
		bench_die("unload", "failed");
	bench_row(b, "libnftables in process", runs, bench_library, &base);
	bench_row(b, "nft -f", runs, bench_nft, &base);
	printf("  %-26s %ld kB\n", "its memory at most", b->child_kb);
}

int main(int argc, char **argv)
{
	static struct bench b;

	if (argc != 4)
		bench_die("usage", "bench-replay BUILD PAGE RUNS");
	bench_set_up(&b, argv);
	bench_run(&b, argv[2], strtoul(argv[3], NULL, 10));
	nft_ctx_free(b.nft);
	kernio_close(b.k);
	batchfile_release(&b.file);
	unlink(b.saved);
	return rmdir(b.state) != 0;
}
