/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "common/chan.h"
#include "common/spawn.h"
#include "common/wire.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

#define DEADLINE_MS 20000
#define FDS_LOOKED_AT 64

/* What the worker (this program, started as "worker-...") tells about itself. */
struct report {
	uint64_t fds; /* bit n: descriptor n is open */
	uint64_t caps;
	uint32_t death_signal;
	uint32_t ppid;
	bool stdin_is_null;
	bool extra_is_ours;
	bool signals_are_clean;
};

static const struct chan_op ops[] = { { .type = 1, .name = "report", .body_max = 64 } };

static bool is_null_device(int fd)
{
	struct stat st, null;

	return fstat(fd, &st) == 0 && stat("/dev/null", &null) == 0 && st.st_rdev == null.st_rdev;
}

/* No signal blocked, none ignored. */
static bool are_signals_clean(void)
{
	struct sigaction act;
	sigset_t mask;

	sigprocmask(SIG_SETMASK, NULL, &mask);
	for (int sig = 1; sig < NSIG; sig++)
		if (sigismember(&mask, sig) == 1 ||
		    (sigaction(sig, NULL, &act) == 0 && act.sa_handler == SIG_IGN))
			return false;
	return true;
}

static uint64_t effective_caps(void)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };

	syscall(SYS_capget, &hdr, data);
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

static int send_report(void)
{
	struct chan_msg msg;
	struct wire w = wire_writer(msg.body, sizeof(msg.body));
	uint64_t fds = 0;
	int sig = 0;
	char c = 0;

	for (int fd = 0; fd < FDS_LOOKED_AT; fd++)
		fds |= (uint64_t)(fcntl(fd, F_GETFD) >= 0) << fd;
	prctl(PR_GET_PDEATHSIG, &sig);
	chan_msg_init(&msg, &ops[0], 1);
	wire_put_u64(&w, fds);
	wire_put_u64(&w, effective_caps());
	wire_put_u32(&w, (uint32_t)sig);
	wire_put_u32(&w, (uint32_t)getppid());
	wire_put_u8(&w, is_null_device(STDIN_FILENO));
	wire_put_u8(&w, read(SPAWN_EXTRA_FD, &c, 1) == 1 && c == 'e');
	wire_put_u8(&w, are_signals_clean());
	msg.len = w.pos;
	return chan_send(SPAWN_CHAN_FD, &msg) == 0 ? 42 : 1;
}

static bool wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return TEMP_FAILURE_RETRY(poll(&p, 1, DEADLINE_MS)) == 1;
}

static int start(const char *mode, int chan_fd, int extra_fd, pid_t *ret_pid)
{
	const char *const argv[] = { mode, NULL };
	const struct spawn_spec spec = { "/proc/self/exe", argv, chan_fd, extra_fd };

	return spawn_start(&spec, ret_pid);
}

/* Starts a reporting worker and gives its report. */
static bool get_report(int extra_fd, struct report *ret)
{
	_cleanup_(closep) int ours = -1;
	_cleanup_(closep) int theirs = -1;
	struct chan_msg msg;
	int pair[2], status = 0;
	struct wire w;
	pid_t pid = 0;

	CU_ASSERT_EQUAL(chan_pair(pair), 0);
	ours = pair[0];
	theirs = pair[1];
	if (start("worker-report", theirs, extra_fd, &pid) != 0 || !wait_readable(ours) ||
	    chan_recv(ours, ops, 1, &msg) != 0)
		return false;
	w = wire_reader(msg.body, msg.len);
	ret->fds = wire_get_u64(&w);
	ret->caps = wire_get_u64(&w);
	ret->death_signal = wire_get_u32(&w);
	ret->ppid = wire_get_u32(&w);
	ret->stdin_is_null = wire_get_bool(&w);
	ret->extra_is_ours = wire_get_bool(&w);
	ret->signals_are_clean = wire_get_bool(&w);
	CU_ASSERT_EQUAL(wire_done(&w), 0);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	return true;
}

/* A descriptor without close-on-exec, with the byte 'e' to read. */
static int make_extra(void)
{
	int pair[2];

	CU_ASSERT_EQUAL(pipe(pair), 0);
	CU_ASSERT_EQUAL(write(pair[1], "e", 1), 1);
	close(pair[1]);
	return pair[0];
}

static void test_descriptors(void)
{
	_cleanup_(closep) int extra = make_extra();
	struct report got = { 0 };

	CU_ASSERT(get_report(extra, &got));
	CU_ASSERT_EQUAL(got.fds, 0x1f);
	CU_ASSERT(got.stdin_is_null);
	CU_ASSERT(got.extra_is_ours);
}

/* What the parent left open by mistake does not reach the worker, at the number 4 either. */
static void test_leaks(void)
{
	_cleanup_(closep) int leak = make_extra();
	int low = fcntl(SPAWN_EXTRA_FD, F_DUPFD_CLOEXEC, 32);
	struct report got = { 0 };

	CU_ASSERT(dup2(leak, SPAWN_EXTRA_FD) == SPAWN_EXTRA_FD || leak == SPAWN_EXTRA_FD);
	CU_ASSERT_EQUAL(fcntl(leak, F_DUPFD, 50), 50);
	CU_ASSERT(get_report(-1, &got));
	CU_ASSERT_EQUAL(got.fds, 0x0f);
	CU_ASSERT(!got.extra_is_ours);
	close(50);
	if (low >= 0 && leak != SPAWN_EXTRA_FD)
		dup2(low, SPAWN_EXTRA_FD);
	else if (leak != SPAWN_EXTRA_FD)
		close(SPAWN_EXTRA_FD);
	closep(&low);
}

static void test_process(void)
{
	struct report got = { 0 };
	sigset_t usr1, before;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, &before);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	CU_ASSERT(get_report(-1, &got));
	signal(SIGPIPE, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	CU_ASSERT_EQUAL(got.death_signal, SIGKILL);
	CU_ASSERT_EQUAL(got.ppid, (uint32_t)getpid());
	CU_ASSERT(got.signals_are_clean);
	sigprocmask(SIG_SETMASK, NULL, &usr1);
	CU_ASSERT_EQUAL(sigismember(&usr1, SIGUSR1), 1);
	CU_ASSERT_EQUAL(sigismember(&usr1, SIGTERM), 0);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* In a child: becomes a daemon with one ambient capability, whose worker must not have it. */
static int spawn_from_service(void)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const uint32_t cap = 1U << CAP_NET_ADMIN;
	struct __user_cap_data_struct data[2] = { { cap, cap, cap } };
	struct report got = { 0 };

	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresgid(65534, 65534, 65534) < 0 ||
	    setresuid(65534, 65534, 65534) < 0 || syscall(SYS_capset, &hdr, data) < 0)
		return 1;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0) < 0)
		return 2;
	if (!get_report(-1, &got))
		return 3;
	return got.caps == 0 && effective_caps() == cap ? 0 : 4;
}

static void test_capabilities(void)
{
	int status = 0;
	pid_t pid;

	if (geteuid() != 0) {
		tap_skip("needs root to play a service");
		return;
	}
	pid = fork();
	if (pid == 0)
		_exit(spawn_from_service());
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	/* The program lies in a folder that the other user may not be allowed to read. */
	if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
		tap_skip("the build folder is closed to other users");
	else
		CU_ASSERT_EQUAL(status, 0);
}

static int start_path(const char *path, int chan_fd, int extra_fd)
{
	const char *const argv[] = { "worker", NULL };
	const struct spawn_spec spec = { path, argv, chan_fd, extra_fd };
	pid_t pid = 77;
	int r = spawn_start(&spec, &pid);

	CU_ASSERT_EQUAL(pid, 77);
	/* No child is left behind. */
	CU_ASSERT(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
	return r;
}

static void test_failures(void)
{
	CU_ASSERT_EQUAL(start_path("/no/such/program", 0, -1), -ENOENT);
	CU_ASSERT_EQUAL(start_path("/", 0, -1), -EACCES);
	CU_ASSERT_EQUAL(start_path("/proc/self/exe", 9999, -1), -EBADF);
	CU_ASSERT_EQUAL(start_path("/proc/self/exe", 0, 9999), -EBADF);
}

static void on_alarm(int sig)
{
}

/* Signals that arrive all the time must not be taken for a start that worked. */
static void test_interrupted(void)
{
	const struct sigaction act = { .sa_handler = on_alarm };
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct itimerspec often = { { 0, 50000 }, { 0, 50000 } };
	timer_t timer;

	CU_ASSERT_EQUAL(sigaction(SIGALRM, &act, NULL), 0);
	CU_ASSERT_EQUAL(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
	CU_ASSERT_EQUAL(timer_settime(timer, 0, &often, NULL), 0);
	for (int i = 0; i < 100; i++)
		CU_ASSERT_EQUAL(start_path("/no/such/program", 0, -1), -ENOENT);
	timer_delete(timer);
	signal(SIGALRM, SIG_DFL);
}

/* A worker that waits for ever, started by a child that is then killed: the end of the worker shows
 * as the end of the pipe that only it still holds. */
static void test_dies_with_parent(void)
{
	int pair[2], tell[2], status;
	pid_t parent, worker = 0;
	char c;

	CU_ASSERT_EQUAL(chan_pair(pair), 0);
	CU_ASSERT_EQUAL(pipe2(tell, O_CLOEXEC), 0);
	parent = fork();
	if (parent == 0) {
		close(pair[0]);
		if (start("worker-wait", pair[1], -1, &worker) < 0)
			_exit(1);
		close(pair[1]);
		if (write(tell[1], "s", 1) != 1)
			_exit(2);
		for (;;)
			pause();
	}
	close(pair[1]);
	close(tell[1]);
	CU_ASSERT(wait_readable(tell[0]) && read(tell[0], &c, 1) == 1);
	CU_ASSERT_EQUAL(recv(pair[0], &c, 1, MSG_DONTWAIT), -1); /* the worker is alive */
	CU_ASSERT_EQUAL(kill(parent, SIGKILL), 0);
	CU_ASSERT_EQUAL(waitpid(parent, &status, 0), parent);
	CU_ASSERT(wait_readable(pair[0]));
	CU_ASSERT_EQUAL(recv(pair[0], &c, 1, MSG_DONTWAIT), 0);
	close(pair[0]);
	close(tell[0]);
}

static void test_find(void)
{
	char path[64];

	setenv("POSTERN_LIBEXECDIR", "/build", 1);
	CU_ASSERT_EQUAL(spawn_find("worker", path, sizeof(path)), 0);
	CU_ASSERT_STRING_EQUAL(path, "/build/worker");
	CU_ASSERT_EQUAL(spawn_find("worker", path, strlen("/build/worker") + 1), 0);
	CU_ASSERT_EQUAL(spawn_find("worker", path, strlen("/build/worker")), -ENAMETOOLONG);
	setenv("POSTERN_LIBEXECDIR", "relative", 1);
	CU_ASSERT_EQUAL(spawn_find("worker", path, sizeof(path)), 0);
	CU_ASSERT(path[0] == '/' && strstr(path, "/postern/worker"));
	unsetenv("POSTERN_LIBEXECDIR");
	CU_ASSERT_EQUAL(spawn_find("worker", path, sizeof(path)), 0);
	CU_ASSERT_PTR_NOT_NULL(strstr(path, "/postern/worker"));
}

/* Of itself, as a worker that was started by its name: 11 as a user, 13 for root. */
static int judge_words(int argc, char **argv)
{
	if (fcntl(SPAWN_CHAN_FD, F_GETFD) < 0 || fcntl(SPAWN_EXTRA_FD, F_GETFD) >= 0)
		return 1;
	if (argc == 3 && !strcmp(argv[1], "--user") && !strcmp(argv[2], "nobody"))
		return 13;
	return argc == 1 ? 11 : 2;
}

static void test_worker(void)
{
	char path[PATH_MAX];
	int status = 0;
	pid_t pid = 77;

	setenv("POSTERN_LIBEXECDIR", tmpdir_get(), 1);
	CU_ASSERT_EQUAL(symlink("/proc/self/exe", tmpdir_path(path, "worker-words")), 0);
	CU_ASSERT_EQUAL(spawn_worker("worker-absent", STDIN_FILENO, &pid), -ENOENT);
	CU_ASSERT_EQUAL(pid, 77);
	CU_ASSERT_EQUAL(spawn_worker("worker-words", STDIN_FILENO, &pid), 0);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	CU_ASSERT_TRUE(WIFEXITED(status));
	CU_ASSERT_EQUAL(WEXITSTATUS(status), geteuid() == 0 ? 13 : 11);
	unsetenv("POSTERN_LIBEXECDIR");
}

static void test_end(void)
{
	static const char *const argv[] = { "worker-wait", NULL };
	struct spawn_spec spec = { .path = "/proc/self/exe", .argv = argv, .extra_fd = -1 };
	_cleanup_(closep) int ours = -1;
	_cleanup_(closep) int theirs = -1;
	char how[64];
	int pair[2];
	pid_t pid;

	CU_ASSERT_EQUAL_FATAL(chan_pair(pair), 0);
	ours = pair[0];
	theirs = pair[1];
	spec.chan_fd = theirs;
	CU_ASSERT_EQUAL_FATAL(spawn_start(&spec, &pid), 0);
	spawn_end(pid, how, sizeof(how));
	CU_ASSERT_STRING_EQUAL(how, "worker ended by signal 9");
	CU_ASSERT_EQUAL(kill(pid, 0), -1);
	pid = fork();
	if (pid == 0)
		_exit(7);
	/* it has ended, and is left to be waited for */
	CU_ASSERT_EQUAL(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	spawn_end(pid, how, sizeof(how));
	CU_ASSERT_STRING_EQUAL(how, "worker ended with status 7");
}

static const struct tap_test tests[] = {
	{ "descriptors", test_descriptors },
	{ "nothing else is inherited", test_leaks },
	{ "signals and parent", test_process },
	{ "capabilities", test_capabilities },
	{ "failures are reported", test_failures },
	{ "failures are reported among signals", test_interrupted },
	{ "the worker dies with its parent", test_dies_with_parent },
	{ "find a worker", test_find },
	{ "start a worker by its name", test_worker },
	{ "end a worker", test_end },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "spawn", tests, NULL, NULL }, { 0 } };

	if (!strcmp(argv[0], "worker-report"))
		return send_report();
	if (!strcmp(argv[0], "worker-words"))
		return judge_words(argc, argv);
	while (!strcmp(argv[0], "worker-wait"))
		pause();
	return tap_main(argc, argv, suites);
}
