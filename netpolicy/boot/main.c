/* SPDX-License-Identifier: MIT */
/*
 * netpolicy-boot: the first thing a host enforces, before any link is up. Replays the last good
 * batch; when there is none, or the kernel refuses it, the closed policy that is built in; when
 * even that fails, it takes the links down. No parser, no library but libmnl. See
 * netpolicy-boot(8).
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/files.h"
#include "common/log.h"
#include "netpolicy/apply/applier.h"
#include "netpolicy/apply/batchfile.h"
#include "netpolicy/apply/linkdown.h"
#include "netpolicy/boot/closed.h"

#include "config.h"

#define BOOT_STATE_DIR "/var/lib/postern"
#define BOOT_BATCH_NAME "policy.batch" /* netpolicy apply writes it */

enum {
	BOOT_LOADED = 0, /* the last good policy */
	BOOT_CLOSED = 1, /* the closed policy */
	BOOT_DOWN = 2,   /* nothing: the links were taken down */
	BOOT_OWNED = 3,  /* nothing, for netpolicyd holds the tables: they stay as they are */
	BOOT_USAGE = 64, /* sysexits.h, EX_USAGE */
};

enum { BOOT_E_OWNED = 1 };

static const char boot_usage[] =
	"usage: netpolicy-boot [--state-dir DIR] [--closed]\n"
	"\n"
	"Loads the last good policy of DIR (" BOOT_STATE_DIR "), else the closed one.\n"
	"\n"
	"  --closed             load the closed policy in any case\n"
	"  --version, --help\n"
	"\n"
	"Exit status: 0 last good policy, 1 closed policy, 2 nothing could be loaded and the\n"
	"links were taken down, 3 nothing was done because netpolicyd owns the tables.";

static const struct option boot_options[] = {
	{ "state-dir", required_argument, NULL, 's' },
	{ "closed", no_argument, NULL, 'C' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

struct boot {
	const char *state_dir;
	bool wants_closed;
};

/* Into the kernel. What it leads to is not compared here: another kernel version may show the same
 * rules differently; "netpolicy check" compares. */
static int boot_replay(struct kernio *k, const void *batch, size_t len)
{
	_cleanup_(applier_release) struct applier_result result = { 0 };
	int r = applier_apply(k, batch, len, NULL, &result);

	if (r < 0)
		log_pst(LOG_LEVEL_ERROR, result.is_owned ? PST_POLICY_OWNED : PST_POLICY_KERNEL,
			"%s", result.error[0] ? result.error : strerror(-r));
	if (result.is_owned) {
		log_info("nothing was done: the rules stay as they are");
		return BOOT_E_OWNED;
	}
	for (size_t i = 0; r == 0 && i < result.n_pending; i++)
		log_warning("no guard on %s yet: the interface does not exist", result.pending[i]);
	return r;
}

/* The last good batch: read, checked as if an enemy had written it, replayed. */
static int boot_last_good(struct kernio *k, const char *dir)
{
	_cleanup_(batchfile_release) struct batchfile file = { 0 };
	char path[FILES_PATH_MAX], error[BATCH_ERROR_MAX] = "";
	int r;

	if ((size_t)snprintf(path, sizeof(path), "%s/" BOOT_BATCH_NAME, dir) >= sizeof(path))
		return -ENAMETOOLONG;
	r = batchfile_read_front(path, &file);
	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_BATCH_UNREADABLE, "%s: %s", path,
			batchfile_strerror(r));
		return r;
	}
	r = batch_check(file.batch, file.batch_len, error);
	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_BATCH_REFUSED, "%s: %s", path, error);
		return r;
	}
	r = boot_replay(k, file.batch, file.batch_len);
	if (r == 0)
		log_info("loaded the last good policy: %s", file.about);
	return r;
}

static int boot_closed(struct kernio *k)
{
	char error[BATCH_ERROR_MAX] = "";
	int r = batch_check(closed_batch, closed_batch_len, error);

	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_BATCH_REFUSED, "the closed policy: %s", error);
		return r;
	}
	r = boot_replay(k, closed_batch, closed_batch_len);
	if (r == 0)
		log_warning("loaded the closed policy: only loopback, address assignment and "
			    "instance metadata for root; 'netpolicy apply' loads the real one");
	return r;
}

/* A host without rules must not be reached. */
static int boot_give_up(void)
{
	size_t n = 0;
	int r = linkdown_all(&n);

	if (n == 0 && geteuid() != 0)
		log_error("only root can load a policy or take links down; which rules are in the "
			  "kernel is not known");
	else if (r < 0)
		log_error("no policy is loaded, and the links cannot be taken down (%s): THIS HOST "
			  "IS OPEN",
			  strerror(-r));
	else
		log_error("no policy is loaded: took %zu links down", n);
	return BOOT_DOWN;
}

static int boot_run(const struct boot *b)
{
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	int r = kernio_open(&k);

	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_KERNEL, "cannot speak to nf_tables: %s",
			strerror(-r));
		return boot_give_up();
	}
	r = b->wants_closed ? -ENOENT : boot_last_good(k, b->state_dir);
	if (r == 0)
		return BOOT_LOADED;
	if (r != BOOT_E_OWNED)
		r = boot_closed(k);
	return r == BOOT_E_OWNED ? BOOT_OWNED : r == 0 ? BOOT_CLOSED : boot_give_up();
}

int main(int argc, char **argv)
{
	struct boot b = { .state_dir = BOOT_STATE_DIR };
	int opt;

	while ((opt = getopt_long(argc, argv, "", boot_options, NULL)) != -1) {
		if (opt == 's')
			b.state_dir = optarg;
		else if (opt == 'C')
			b.wants_closed = true;
		else if (opt == 'h' || opt == 'V')
			return puts(opt == 'h' ? boot_usage : "netpolicy-boot " POSTERN_VERSION) <
			       0;
		else
			return BOOT_USAGE;
	}
	if (optind != argc) {
		fprintf(stderr, "%s\n", boot_usage);
		return BOOT_USAGE;
	}
	log_open("netpolicy-boot", LOG_LEVEL_INFO);
	return boot_run(&b);
}
