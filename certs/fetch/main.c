/* SPDX-License-Identifier: MIT */
/*
 * certd-fetch: the worker of certd that talks to the metadata service, STS and the issuer, or looks
 * at a stored pair. It is started with a channel at descriptor 3, takes one job, reads the files of
 * the job, looks up the names of its servers, gives every power away, works, writes the pair and
 * one result, and ends.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/fetch/fetchbox.h"
#include "certs/fetch/fetchrun.h"
#include "certs/fetch/httpcall.h"
#include "common/attr.h"
#include "common/chan.h"
#include "common/clk.h"
#include "common/jsonin.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/spawn.h"
#include "common/workercli.h"
#include "config.h"

#define MAIN_JOB_WAIT_MS 5000

static int main_receive(struct fetchjob_start *ret)
{
	struct pollfd p = { .fd = SPAWN_CHAN_FD, .events = POLLIN };
	const struct chan_op *ops;
	struct chan_msg msg;
	size_t n_ops;
	int r;

	ops = fetchjob_ops(&n_ops);
	if (poll(&p, 1, MAIN_JOB_WAIT_MS) != 1)
		return -ETIMEDOUT;
	r = chan_recv(SPAWN_CHAN_FD, ops, n_ops, &msg);
	if (r != 0)
		return r < 0 ? r : -EPIPE;
	r = fetchjob_decode_start(&msg, ret);
	chan_msg_release(&msg);
	return r;
}

/* Some libraries open a file, or ask the time zone, when they are used for the first time. */
static int main_warm_up(void)
{
	jsonin_warm_up();
	return httpcall_warm_up();
}

/* What needs the outside. -EPERM: the result says why not. A name is looked up without power, for
 * the answer to it comes from strangers. */
static int main_prepare(struct fetchrun *run, uid_t uid, gid_t gid)
{
	int r = main_warm_up();

	if (r == 0)
		r = fetchrun_load(run);
	if (r < 0)
		return r;
	r = sandbox_drop(uid, gid, 0);
	if (r < 0) {
		log_error("cannot become user %u: %s", (unsigned int)uid, strerror(-r));
		return -EACCES;
	}
	/* Before strangers' bytes meet the key in this memory: no core of it, no tracing. */
	if (sandbox_lock_privileges() < 0)
		return -EACCES;
	return fetchrun_look_up(run);
}

static int main_run(uid_t uid, gid_t gid)
{
	_cleanup_(fetchrun_release) struct fetchrun run = { 0 };
	int r = main_receive(&run.job);

	if (r < 0)
		return r;
	run.started_ns = clk_now_ns();
	r = main_prepare(&run, uid, gid);
	if (r == -EPERM)
		return fetchrun_send(&run, SPAWN_CHAN_FD);
	if (r < 0)
		return r;
	r = fetchbox_enter(fetchrun_needs_network(run.job.kind));
	if (r < 0)
		return r;
	fetchrun_work(&run);
	return fetchrun_send(&run, SPAWN_CHAN_FD);
}

int main(int argc, char **argv)
{
	uid_t uid;
	gid_t gid;
	int r;

	log_open("certd-fetch", LOG_LEVEL_INFO);
	r = workercli_read(argc, argv, "certd-fetch", "certd", &uid, &gid);
	if (r >= 0)
		return r;
	r = main_run(uid, gid);
	if (r < 0)
		log_error("job not possible: %s", strerror(-r));
	return r < 0 ? 1 : 0;
}
