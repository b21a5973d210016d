/* SPDX-License-Identifier: MIT */
/*
 * netpolicyd: keeps the policy of this host in the kernel, whoever disturbs it, and holds the
 * grants. See netpolicyd(8).
 */
#include <errno.h>
#include <getopt.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/log.h"
#include "common/notify.h"
#include "common/sandbox.h"
#include "netpolicy/daemon/warden.h"

#include "config.h"

#define MAIN_NICE (-15) /* setpriority(2) */

enum {
	MAIN_OK = 0,
	MAIN_DIFFERS = 1, /* --check: the saved policy is not what the kernel holds */
	MAIN_FAILED = 2,
	MAIN_USAGE = 64, /* sysexits.h, EX_USAGE */
};

static const char main_usage[] =
	"usage: netpolicyd [--state-dir DIR] [--socket PATH] [--no-owner]\n"
	"\n"
	"Keeps the saved policy in the kernel and holds the grants.\n"
	"\n"
	"  --state-dir DIR      /var/lib/postern\n"
	"  --socket PATH        " CTLWIRE_SOCKET "\n"
	"  --no-owner           let other programs change the tables, and repair them\n"
	"  --check              compare the kernel with the saved policy, and end\n"
	"  --version, --help\n"
	"\n"
	"Exit status: 0 ended by a signal, or --check found no difference; 1 --check found one;\n"
	"2 it could not begin.";

static const struct option main_options[] = {
	{ "state-dir", required_argument, NULL, 's' },
	{ "socket", required_argument, NULL, 'S' },
	{ "no-owner", no_argument, NULL, 'n' },
	{ "check", no_argument, NULL, 'c' },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

struct main_wish {
	struct warden_options warden;
	bool checks;
};

/* Gives -1 to go on, else the exit status. */
static int main_parse(int argc, char **argv, struct main_wish *w)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "", main_options, NULL)) != -1) {
		if (opt == 's')
			w->warden.state_dir = optarg;
		else if (opt == 'S')
			w->warden.socket = optarg;
		else if (opt == 'n')
			w->warden.may_own = false;
		else if (opt == 'c')
			w->checks = true;
		else if (opt == 'h' || opt == 'V')
			return puts(opt == 'h' ? main_usage : "netpolicyd " POSTERN_VERSION) < 0;
		else
			return MAIN_USAGE;
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "%s\n", main_usage);
	return MAIN_USAGE;
}

static int main_check(const struct warden_options *options)
{
	_cleanup_(batchfile_release) struct batchfile f = { 0 };
	_cleanup_(applier_release) struct applier_result result = { 0 };
	_cleanup_(kernio_closep) struct kernio *k = NULL;
	char error[BATCH_ERROR_MAX] = "";
	int r = lawfile_read(options->state_dir, LAWFILE_SAVED, &f, error);

	if (r != 0) {
		log_pst(LOG_LEVEL_ERROR, r > 0 ? PST_BATCH_REFUSED : PST_BATCH_UNREADABLE,
			"%s/" LAWFILE_SAVED ": %s", options->state_dir, error);
		return MAIN_FAILED;
	}
	r = kernio_open(&k);
	if (r == 0)
		r = applier_check(k, &f.expected, &result);
	if (r < 0) {
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_KERNEL, "cannot read nf_tables: %s",
			strerror(-r));
		return MAIN_FAILED;
	}
	if (r == 0)
		return MAIN_OK;
	log_pst(LOG_LEVEL_ERROR, PST_POLICY_DRIFT, "%zu differences", result.diff.n);
	fputs(result.diff.lines.text ? result.diff.lines.text : "", stderr);
	return MAIN_DIFFERS;
}

/* Root without the powers of root: files of root, and the network. */
static int main_shed(void)
{
	int r;

	/* As long as others hold the processor, wrong rules stay. Without the right to it (a
	 * service manager has set it already): as we are. */
	(void)setpriority(PRIO_PROCESS, 0, MAIN_NICE);
	r = sandbox_keep(UINT64_C(1) << CAP_NET_ADMIN);
	if (r == 0)
		r = sandbox_lock_privileges();
	if (r < 0)
		log_error("cannot give privileges away: %s%s", strerror(-r),
			  geteuid() == 0 ? "" : " (only root can run netpolicyd)");
	return r;
}

int main(int argc, char **argv)
{
	static struct warden warden; /* large */
	struct main_wish w = { .warden = { "/var/lib/postern", CTLWIRE_SOCKET, true } };
	int r = main_parse(argc, argv, &w);

	if (r >= 0)
		return r;
	log_open("netpolicyd", LOG_LEVEL_INFO);
	if (w.checks)
		return main_check(&w.warden);
	r = main_shed();
	if (r == 0)
		r = warden_open(&warden, &w.warden);
	if (r == 0) {
		notify_ready("the policy is in the kernel");
		r = warden_run(&warden);
		notify_stopping();
		log_info("ends; the rules stay");
	}
	warden_close(&warden);
	return r < 0 ? MAIN_FAILED : MAIN_OK;
}
