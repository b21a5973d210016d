/* SPDX-License-Identifier: MIT */
#include "netpolicy/daemon/warden.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "common/clk.h"
#include "common/log.h"
#include "common/notify.h"
#include "netpolicy/apply/applylock.h"
#include "netpolicy/daemon/orders.h"
#include "netpolicy/daemon/uplinkwatch.h"

#define WARDEN_COMMITS 64 /* read in one go: a flood of them must not keep the clock from us */
enum { WARDEN_SIGNALS, WARDEN_TIMER, WARDEN_DRIFT, WARDEN_LINKS, WARDEN_WATCHDOG, WARDEN_CTL };

#define WARDEN_FDS (WARDEN_CTL + CTLSOCK_POLL_MAX)

static int warden_open_signals(int *ret)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	*ret = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *ret < 0 ? -errno : 0;
}

static int warden_open_timer(int *ret)
{
	*ret = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	return *ret < 0 ? -errno : 0;
}

static int warden_fail(int r, const char *what)
{
	if (r < 0)
		log_error("%s: %s", what, strerror(-r));
	return r;
}

/* The kernel's side: first the event stream, so that nothing is missed between loading and looking.
 */
static int warden_open_kernel(struct warden *k)
{
	int r = warden_fail(enforcer_open(&k->enforcer, k->options.may_own), "nf_tables");

	if (r == 0)
		r = warden_fail(drift_open(&k->watch), "the events of nf_tables");
	if (r < 0)
		return r;
	k->watch.own_port = kernio_port(k->enforcer.k);
	r = warden_fail(uplinkwatch_open(&k->links), "the events of interfaces");
	if (r == 0)
		r = warden_fail(warden_open_signals(&k->signals), "signals");
	return r == 0 ? warden_fail(warden_open_timer(&k->timer), "a timer") : r;
}

static int warden_open_grants(struct warden *k)
{
	size_t dropped;
	int r = grantor_open(&k->grantor, k->options.state_dir, &dropped);

	if (r == GRANTOR_E_DAMAGED) {
		log_pst(LOG_LEVEL_ERROR, PST_GRANTS_UNREADABLE, "%s is damaged; kept as %s.bad",
			k->grantor.path, k->grantor.path);
		return 0;
	}
	if (r == 0 && dropped)
		log_info("%zu grants ended while netpolicyd did not run", dropped);
	return warden_fail(r, k->grantor.path);
}

/* In words why the kernel did not take a policy. */
static void warden_log_refusal(int r, const struct enforcer_report *report)
{
	if (r == -EPERM)
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_OWNED,
			"the kernel lets another process only "
			"change inet postern");
	else
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_KERNEL, "%s",
			report->error[0] ? report->error :
			r == -EIO        ? "it shows something else than was loaded; is "
					   "somebody changing it at the same time?" :
					   strerror(-r));
}

static void warden_log_load(const struct warden *k)
{
	const struct enforcer *e = &k->enforcer;

	if (e->is_learned)
		log_pst(LOG_LEVEL_WARNING, PST_POLICY_DRIFT,
			"this kernel shows the rules in another way than the one they were "
			"compiled on; they are watched as it shows them, 'netpolicy apply' "
			"records them anew");
	for (size_t i = 0; i < e->n_pending; i++)
		log_warning("no guard on %s yet: the interface does not exist", e->pending[i]);
}

/* The sets of grants, after the rules. Gives how many had to be filled. */
static size_t warden_sync(struct warden *k, struct liveset_found *ret)
{
	int r = grantor_sync(&k->grantor, &k->enforcer, ret);

	if (r == 0)
		return ret->n_sets;
	k->grantor.is_behind = true;
	log_error("the sets of grants could not be put right: %s", strerror(-r));
	*ret = (struct liveset_found){ 0 };
	return 0;
}

int warden_load(struct warden *k, struct batchfile *f, struct enforcer_report *report)
{
	struct liveset_found found;
	int r = enforcer_load(&k->enforcer, f, report);

	if (r < 0) {
		/* What was there is put back; a look tells whether that went well. */
		if (k->enforcer.mode != ENFORCER_NOTHING)
			fightpace_disturbed(&k->pace, clk_now_ns());
		return r;
	}
	warden_sync(k, &found);
	warden_log_load(k);
	return 0;
}

static int warden_begin_blind(struct warden *k)
{
	struct enforcer_report report;
	struct liveset_found found;
	int r = enforcer_begin_blind(&k->enforcer, &report);

	if (r < 0) {
		warden_log_refusal(r, &report);
		return r;
	}
	if (k->enforcer.mode == ENFORCER_CLOSED)
		log_warning("no rules were there: loaded the closed policy; 'netpolicy apply' "
			    "loads the real one");
	else
		log_warning("the rules in the kernel are left as they are, and no grants are "
			    "given; 'netpolicy apply' puts a policy in their place");
	warden_sync(k, &found);
	return 0;
}

int warden_load_saved(struct warden *k, const char *why)
{
	_cleanup_(batchfile_release) struct batchfile f = { 0 };
	char about[BATCHFILE_ABOUT_MAX], error[BATCH_ERROR_MAX] = "";
	struct enforcer_report report;
	int r = lawfile_read(k->options.state_dir, LAWFILE_SAVED, &f, error);

	k->saved_about[0] = '\0';
	if (r != 0) {
		log_pst(LOG_LEVEL_ERROR, r > 0 ? PST_BATCH_REFUSED : PST_BATCH_UNREADABLE,
			"%s/" LAWFILE_SAVED ": %s", k->options.state_dir, error);
		/* Never from a policy that somebody wanted to be rid of to its remains. */
		return k->enforcer.mode == ENFORCER_NOTHING ? warden_begin_blind(k) : -ENOENT;
	}
	memcpy(about, f.about, sizeof(about));
	r = warden_load(k, &f, &report);
	if (r < 0) {
		warden_log_refusal(r, &report);
		return r == -EPERM || k->enforcer.mode != ENFORCER_NOTHING ? r :
									     warden_begin_blind(k);
	}
	memcpy(k->saved_about, about, sizeof(about));
	log_info("%s: %s%s", why, about, k->enforcer.is_owner ? " (tables owned)" : "");
	return 0;
}

/* What waited for confirmation when we ended is not confirmed. */
static void warden_forget_pending(struct warden *k)
{
	if (lawfile_forget(k->options.state_dir) == 0)
		log_pst(LOG_LEVEL_WARNING, PST_POLICY_REVERTED,
			"a policy that nobody had confirmed is given up, since netpolicyd or the "
			"host was started again meanwhile");
}

/* The first load. A "netpolicy apply" that found no daemon may be between the kernel and the file:
 * then both would be of different policies, hence its lock; whoever holds it too long is not waited
 * for, since rules that nobody keeps are worse. */
static int warden_begin(struct warden *k)
{
	_cleanup_(closep) int lock = -1;

	if (applylock_take(k->options.state_dir, clk_now_ns() + APPLYLOCK_WAIT_MS * CLK_NS_PER_MS,
			   &lock) == -EBUSY)
		log_warning("%s/" APPLYLOCK_NAME " is held by another program; going on",
			    k->options.state_dir);
	warden_forget_pending(k);
	return warden_load_saved(k, "enforcing");
}

int warden_open(struct warden *k, const struct warden_options *options)
{
	int r;

	*k = (struct warden){ .options = *options,
			      .links = -1,
			      .signals = -1,
			      .timer = -1,
			      .watchdog = -1,
			      .ctl.fd = -1 };
	k->watch.fd = -1;
	k->started_s = clk_now_wall();
	k->look_ns = clk_now_ns() + WARDEN_LOOK_S * CLK_NS_PER_S;
	r = ctlsock_open(&k->ctl, options->socket);
	if (r == -EADDRINUSE)
		log_error("another netpolicyd listens at %s; this one ends", options->socket);
	else if (warden_fail(r, options->socket) == 0)
		r = warden_open_kernel(k);
	if (r == 0)
		r = warden_open_grants(k);
	if (r < 0)
		return r;
	k->watchdog = notify_open_watchdog();
	r = warden_begin(k);
	malloc_trim(0);
	return r;
}

/* One sighting: into the list, and into the log when it is the first, tenth, hundredth... */
static void warden_note(struct warden *k, const char *what, size_t n, uint64_t took_ns)
{
	struct ctlwire_drift d = { .at_s = (int64_t)clk_now_wall(), .pid = k->culprit.pid };
	const struct ctlwire_drift *row;
	uint32_t times;

	d.repair_us = (uint32_t)(took_ns / 1000 < UINT32_MAX ? took_ns / 1000 : UINT32_MAX);
	d.n_differences = (uint32_t)n;
	snprintf(d.command, sizeof(d.command), "%s", k->culprit.command);
	snprintf(d.what, sizeof(d.what), "%s", what);
	row = driftlog_add(&k->log, &d);
	for (times = row->times; times % 10 == 0; times /= 10)
		;
	if (times != 1)
		return;
	log_pst(LOG_LEVEL_WARNING, PST_POLICY_REPAIRED,
		"%s (pid %u): %s%s; %u difference%s, repaired in %u us, seen %u time%s",
		row->command[0] ? row->command : "somebody", row->pid, row->what,
		row->what[0] ? "" : "grants were changed", row->n_differences,
		row->n_differences == 1 ? "" : "s", d.repair_us, row->times,
		row->times == 1 ? "" : "s");
}

static void warden_note_set(struct warden *k, const struct liveset_found *found, uint64_t took_ns)
{
	char what[256], addr[IP6_ADDR_TEXT];

	snprintf(what, sizeof(what), "inet postern: set %s: %s %s", found->first.set,
		 found->n_foreign ? "an element that nobody granted" : "a grant is missing",
		 ip6_format_addr(&found->first.addr, addr));
	warden_note(k, what, found->n_foreign + found->n_missing, took_ns);
}

static void warden_tell_pace(struct warden *k, enum fightpace_news news)
{
	if (news == FIGHTPACE_BEGINS)
		log_pst(LOG_LEVEL_ERROR, PST_POLICY_FIGHT,
			"%s (pid %u) changed our rules more than %d times in %d s; from now on "
			"they are repaired at a slower pace, at the latest after %d ms",
			k->culprit.command[0] ? k->culprit.command : "somebody", k->culprit.pid,
			FIGHTPACE_MANY, FIGHTPACE_WINDOW_S, FIGHTPACE_FIGHT_CAP_MS);
	else if (news == FIGHTPACE_ENDS)
		log_info("nobody changed our rules for %d s; they are repaired at once again",
			 FIGHTPACE_WINDOW_S);
}

/* Before Linux 6.16 the guard of an interface goes with it (6.1), or stays without it (6.12): that
 * it is not whole when the interface is there again is no stranger's doing. */
static bool warden_is_link(const struct warden *k, const struct enforcer_report *report)
{
	static const char guard[] = "netdev " BATCH_GUARD ": chain egress_";

	const char *name = report->found + strlen(guard);

	/* Behind the name of a chain that has a rule too much or too few stands a colon. */
	return k->uplink_changed && report->n_found == 1 &&
	       !strncmp(report->found, guard, strlen(guard)) && name[strcspn(name, " :")] == ' ' &&
	       !strstr(name, " is not ours");
}

static void warden_repaired(struct warden *k, const struct enforcer_report *report,
			    const struct liveset_found *found)
{
	uint64_t now_ns = clk_now_ns();
	uint64_t took_ns = k->disturbed_ns ? now_ns - k->disturbed_ns : 0;
	bool is_found = report->n_found && !warden_is_link(k, report);

	if (is_found)
		warden_note(k, report->found, report->n_found, took_ns);
	/* Sets that were made anew are empty, and that is no stranger's doing. */
	if (found->n_sets && !report->was_replaced && !report->n_found)
		warden_note_set(k, found, took_ns);
	if (is_found || found->n_sets) {
		k->n_repairs++;
		warden_tell_pace(k, fightpace_repaired(&k->pace, now_ns));
	} else {
		fightpace_dismissed(&k->pace, now_ns);
	}
	k->culprit = (struct drift_commit){ 0 };
	k->disturbed_ns = 0;
	k->uplink_changed = false;
}

int warden_repair(struct warden *k)
{
	struct enforcer_report report;
	struct liveset_found found = { 0 };
	int r = enforcer_repair(&k->enforcer, &report);

	k->look_ns = clk_now_ns() + WARDEN_LOOK_S * CLK_NS_PER_S;
	if (r == 0) {
		warden_sync(k, &found);
		warden_repaired(k, &report, &found);
		return 0;
	}
	warden_log_refusal(r, &report);
	/* Again, at the pace of a fight; who did it is kept. */
	warden_tell_pace(k, fightpace_repaired(&k->pace, clk_now_ns()));
	fightpace_disturbed(&k->pace, clk_now_ns());
	return r;
}

void warden_end_trial(struct warden *k)
{
	int r = lawfile_forget(k->options.state_dir);

	if (r < 0 && r != -ENOENT)
		log_warning("%s/" LAWFILE_PENDING ": %s", k->options.state_dir, strerror(-r));
	k->trial = (struct warden_trial){ 0 };
}

int warden_leave_trial(struct warden *k, const char *why)
{
	struct enforcer_report report;
	int r, saved;

	warden_end_trial(k);
	saved = warden_load_saved(k, why);
	if (saved == 0)
		return 0;
	r = enforcer_load_closed(&k->enforcer, &report);
	if (r < 0)
		warden_log_refusal(r, &report);
	else
		log_warning("there is no policy to go back to: loaded the closed one");
	return saved;
}

/* Nobody said that the new one is good. */
static void warden_revert(struct warden *k)
{
	log_pst(k->trial.is_trial ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, PST_POLICY_REVERTED,
		k->trial.is_trial ? "the trial of '%s' is over; the policy before is loaded again" :
				    "nobody confirmed '%s' in time; the policy before is loaded "
				    "again",
		k->enforcer.law.about);
	warden_leave_trial(k, "enforcing again");
}

static void warden_expire(struct warden *k)
{
	struct grantbook_entry ended;
	char addr[IP6_ADDR_TEXT];

	while (grantor_expire(&k->grantor, &k->enforcer, &ended))
		log_info("grant %llu ended: %s for %s, given by %s", (unsigned long long)ended.id,
			 ended.name, ip6_format_addr(&ended.addr, addr), ended.who);
}

/* Everything whose time has come. */
static void warden_tick(struct warden *k)
{
	uint64_t now_ns = clk_now_ns();

	if (grantbook_next(&k->grantor.book) <= now_ns)
		warden_expire(k);
	if (k->trial.is_pending && k->trial.until_ns <= now_ns)
		warden_revert(k);
	if (k->grantor.is_behind)
		fightpace_disturbed(&k->pace, now_ns);
	if ((k->pace.due_ns && k->pace.due_ns <= now_ns) || k->look_ns <= now_ns)
		warden_repair(k);
	warden_tell_pace(k, fightpace_tick(&k->pace, now_ns));
	ctlsock_tick(&k->ctl, now_ns);
}

static uint64_t warden_earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static void warden_arm(const struct warden *k)
{
	uint64_t next = warden_earlier(grantbook_next(&k->grantor.book), k->look_ns);
	struct itimerspec when = { 0 };

	next = warden_earlier(next, fightpace_next(&k->pace));
	next = warden_earlier(next, ctlsock_next(&k->ctl));
	if (k->trial.is_pending)
		next = warden_earlier(next, k->trial.until_ns);
	when.it_value.tv_sec = (time_t)(next / CLK_NS_PER_S);
	when.it_value.tv_nsec = (long)(next % CLK_NS_PER_S);
	if (timerfd_settime(k->timer, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		log_error("the timer: %s", strerror(errno));
}

/* Somebody may have done something. */
static void warden_disturbed(struct warden *k)
{
	uint64_t now_ns = clk_now_ns();

	if (!k->disturbed_ns)
		k->disturbed_ns = now_ns;
	fightpace_disturbed(&k->pace, now_ns);
}

static void warden_read_commits(struct warden *k)
{
	struct drift_commit c;
	int r = 0;

	for (int i = 0; i < WARDEN_COMMITS && r == 0; i++) {
		r = drift_next(&k->watch, &c);
		if (r == 0 && c.touched_ours) {
			k->culprit = c;
			warden_disturbed(k);
		}
	}
	if (r == DRIFT_E_OVERRUN || r < 0) {
		k->n_overruns++;
		warden_disturbed(k);
	}
}

static void warden_read_links(struct warden *k)
{
	char name[IFNAMSIZ];
	int r;

	while ((r = uplinkwatch_next(k->links, name)) == 0)
		if (enforcer_guards(&k->enforcer, name)) {
			k->uplink_changed = true;
			warden_disturbed(k);
		}
	if (r == UPLINKWATCH_E_OVERRUN)
		warden_disturbed(k);
}

static void warden_read_signals(struct warden *k)
{
	struct signalfd_siginfo info;

	while (read(k->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGHUP) {
			k->stops = true;
			continue;
		}
		if (k->trial.is_pending) {
			log_info("SIGHUP: ends the policy that waits for confirmation");
			warden_leave_trial(k, "read again");
		} else {
			warden_load_saved(k, "read again");
		}
	}
}

static void warden_serve(struct warden *k, struct pollfd *fds, size_t n)
{
	uint64_t expirations;

	if (fds[WARDEN_TIMER].revents && read(k->timer, &expirations, sizeof(expirations)) < 0)
		fds[WARDEN_TIMER].revents = 0; /* set anew meanwhile */
	if (fds[WARDEN_SIGNALS].revents)
		warden_read_signals(k);
	if (fds[WARDEN_DRIFT].revents)
		warden_read_commits(k);
	if (fds[WARDEN_LINKS].revents)
		warden_read_links(k);
	if (fds[WARDEN_WATCHDOG].revents)
		(void)notify_alive(k->watchdog);
	/* Before anybody is answered: a repair that is due is due now. */
	warden_tick(k);
	ctlsock_serve(&k->ctl, fds + WARDEN_CTL, n - WARDEN_CTL, orders_answer, k);
}

int warden_run(struct warden *k)
{
	while (!k->stops) {
		struct pollfd fds[WARDEN_FDS] = {
			[WARDEN_SIGNALS] = { .fd = k->signals, .events = POLLIN },
			[WARDEN_TIMER] = { .fd = k->timer, .events = POLLIN },
			[WARDEN_DRIFT] = { .fd = k->watch.fd, .events = POLLIN },
			[WARDEN_LINKS] = { .fd = k->links, .events = POLLIN },
			[WARDEN_WATCHDOG] = { .fd = k->watchdog, .events = POLLIN },
		};
		size_t n = WARDEN_CTL + ctlsock_poll(&k->ctl, fds + WARDEN_CTL);

		warden_arm(k);
		if (poll(fds, n, -1) < 0 && errno != EINTR)
			return warden_fail(-errno, "poll");
		warden_serve(k, fds, n);
	}
	return 0;
}

void warden_close(struct warden *k)
{
	ctlsock_close(&k->ctl);
	drift_close(&k->watch);
	closep(&k->links);
	closep(&k->signals);
	closep(&k->timer);
	closep(&k->watchdog);
	grantor_close(&k->grantor);
	enforcer_close(&k->enforcer);
}
