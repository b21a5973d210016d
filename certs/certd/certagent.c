/* SPDX-License-Identifier: MIT */
#include "certs/certd/certagent.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "certs/certd/certlife.h"
#include "certs/certd/certsock.h"
#include "certs/certd/certtell.h"
#include "common/clk.h"
#include "common/files.h"
#include "common/log.h"
#include "common/notify.h"

#define CERTAGENT_FAR_S                                                                            \
	(INT64_C(1) << 33) /* the year 2242: a timer that only notices a set clock */

struct certagent {
	const struct certagent_paths *paths;
	struct certlife life;
	struct certtell tell;
	struct certsock sock;
	int signal_fd, timer_fd, clock_fd, watchdog_fd;
	bool is_news; /* a step ended and was not told yet */
	bool stops;
};

static int certagent_arm(struct certagent *a)
{
	uint64_t at_ns = certlife_wake_ns(&a->life);
	struct itimerspec when = { 0 };

	if (at_ns != SCHEDULE_NEVER) {
		when.it_value.tv_sec = (time_t)(at_ns / CLK_NS_PER_S);
		/* Never 0, which would switch the timer off. */
		when.it_value.tv_nsec = (long)(at_ns % CLK_NS_PER_S) | 1;
	}
	return timerfd_settime(a->timer_fd, TFD_TIMER_ABSTIME, &when, NULL) < 0 ? -errno : 0;
}

static int certagent_watch_clock(struct certagent *a)
{
	const struct itimerspec far = { .it_value.tv_sec = CERTAGENT_FAR_S };

	return timerfd_settime(a->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &far,
			       NULL) < 0 ?
		       -errno :
		       0;
}

static void certagent_on_clock(struct certagent *a)
{
	uint64_t n;

	if (read(a->clock_fd, &n, sizeof(n)) >= 0 || errno != ECANCELED)
		return;
	certlife_on_clock(&a->life);
	if (certagent_watch_clock(a) < 0)
		log_error("cannot watch the clock any more: %s", strerror(errno));
}

static void certagent_on_signal(struct certagent *a)
{
	struct signalfd_siginfo si;

	if (read(a->signal_fd, &si, sizeof(si)) != sizeof(si))
		return;
	if (si.ssi_signo == SIGHUP || si.ssi_signo == SIGUSR1) {
		log_info("signal %u: trying now", si.ssi_signo);
		certlife_urge(&a->life);
		return;
	}
	log_info("signal %u: ending; the files stay as they are", si.ssi_signo);
	a->stops = true;
}

static void certagent_on_ask(void *user, bool renews, struct certstat *ret)
{
	struct certagent *a = user;

	if (renews) {
		log_info("asked to try now");
		certlife_urge(&a->life);
		a->is_news |= certlife_advance(&a->life);
	}
	certlife_fill(&a->life, ret);
}

static int certagent_turn(struct certagent *a)
{
	struct pollfd fds[] = {
		{ .fd = a->signal_fd, .events = POLLIN },
		{ .fd = a->timer_fd, .events = POLLIN },
		{ .fd = a->clock_fd, .events = POLLIN },
		{ .fd = a->sock.fd, .events = POLLIN },
		{ .fd = a->life.worker.fd, .events = POLLIN },
		{ .fd = a->watchdog_fd, .events = POLLIN },
	};
	uint64_t n;

	if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (fds[0].revents)
		certagent_on_signal(a);
	if (fds[1].revents && read(a->timer_fd, &n, sizeof(n)) < 0)
		log_debug("the timer was set anew");
	if (fds[2].revents)
		certagent_on_clock(a);
	if (fds[3].revents)
		certsock_serve(&a->sock, certagent_on_ask, a);
	if (fds[5].revents)
		(void)notify_alive(a->watchdog_fd);
	return 0;
}

/* After every turn, for readiness also ends by itself. */
static void certagent_tell(struct certagent *a)
{
	struct certstat s;

	certlife_fill(&a->life, &s);
	certtell_update(&a->tell, a->is_news, &s, &a->life.counts);
	a->is_news = false;
}

int certagent_run(struct certagent *a)
{
	int r = 0;

	while (r == 0 && !a->stops) {
		a->is_news |= certlife_finish(&a->life);
		a->is_news |= certlife_advance(&a->life);
		certagent_tell(a);
		r = certagent_arm(a);
		if (r == 0)
			r = certagent_turn(a);
	}
	if (r < 0)
		log_error("cannot wait for anything any more: %s", strerror(-r));
	notify_stopping();
	return r;
}

/* ---- start and end ---- */

static int certagent_open_signals(struct certagent *a)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	a->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	a->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	a->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (a->signal_fd < 0 || a->timer_fd < 0 || a->clock_fd < 0)
		return -errno;
	return certagent_watch_clock(a);
}

static int certagent_open_socket(struct certagent *a)
{
	char path[FILES_PATH_MAX];
	int r;

	snprintf(path, sizeof(path), "%s/%s", a->paths->run_dir, CERTSTAT_SOCKET);
	r = certsock_open(&a->sock, path);
	if (r == -EADDRINUSE)
		log_error("%s: another certd listens there", path);
	else if (r < 0)
		log_error("%s: %s", path, strerror(-r));
	return r;
}

static void certagent_closep(struct certagent **a)
{
	certagent_close(*a);
}

/* The files first, whose lock keeps a second one from taking the socket of the first. */
int certagent_open(const struct certconf *conf, const struct certagent_paths *paths,
		   struct certagent **ret)
{
	_cleanup_(certagent_closep) struct certagent *a = calloc(1, sizeof(*a));
	int r;

	if (!a)
		return -ENOMEM;
	a->paths = paths;
	a->tell.run_dir = paths->run_dir;
	a->signal_fd = a->timer_fd = a->clock_fd = a->watchdog_fd = a->sock.fd = -1;
	certlife_init(&a->life, conf, paths->state_dir);
	r = certagent_open_signals(a);
	if (r < 0)
		log_error("cannot start: %s", strerror(-r));
	if (r == 0)
		r = certlife_open(&a->life);
	if (r == 0)
		r = certagent_open_socket(a);
	if (r < 0)
		return r;
	a->watchdog_fd = notify_open_watchdog();
	*ret = steal_ptr(a);
	return 0;
}

void certagent_close(struct certagent *a)
{
	if (!a)
		return;
	certsock_close(&a->sock);
	certlife_close(&a->life);
	closep(&a->signal_fd);
	closep(&a->timer_fd);
	closep(&a->clock_fd);
	closep(&a->watchdog_fd);
	free(a);
}
