/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "common/sandbox.h"
#include "tests/support/capture.h"
#include "tests/support/tap.h"
#include "tests/support/tmpdir.h"

#define OTHER_ID 65534 /* nobody */
#define NET_ADMIN (UINT64_C(1) << CAP_NET_ADMIN)

static char child_text[512]; /* what the last child wrote to standard error */

/* Runs @run in a child; gives its exit status, or 128 + the signal. */
static int in_child(int (*run)(void))
{
	int text[2], status = 0;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	CU_ASSERT_EQUAL(pipe2(text, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(text[1], STDERR_FILENO);
		/* _exit() of a sanitizer looks for leaks, with system calls that may be refused. */
		syscall(SYS_exit_group, run());
	}
	close(text[1]);
	while ((n = read(text[0], child_text + len, sizeof(child_text) - 1 - len)) > 0)
		len += (size_t)n;
	child_text[len] = '\0';
	close(text[0]);
	CU_ASSERT_EQUAL(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool skip_unless_root(void)
{
	if (geteuid() == 0)
		return false;
	tap_skip("needs root to change the user");
	return true;
}

/* The line @name of /proc/self/status; "" when it is not there. Static. */
static const char *status_line(const char *name)
{
	static char line[256];
	FILE *f = fopen("/proc/self/status", "re");
	size_t n = strlen(name);

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, n) && line[n] == ':') {
			fclose(f);
			line[strcspn(line, "\n")] = '\0';
			return line + n + 1 + strspn(line + n + 1, "\t ");
		}
	if (f)
		fclose(f);
	return "";
}

static uint64_t status_mask(const char *name)
{
	return strtoull(status_line(name), NULL, 16);
}

/* Says what differs, for the parent's message. */
static bool is_mask(const char *name, uint64_t want)
{
	uint64_t got = status_mask(name);

	if (got != want)
		fprintf(stderr, "%s is %llx\n", name, (unsigned long long)got);
	return got == want;
}

#define EXPECT_CHILD(run, want)                                                                    \
	do {                                                                                       \
		int _got = in_child(run);                                                          \
		if (_got != (want))                                                                \
			tap_fail(__FILE__, __LINE__, "%s ends with %d: %s", #run, _got,            \
				 child_text);                                                      \
		else                                                                               \
			CU_PASS(#run);                                                             \
	} while (0)

static bool has_only(uint64_t caps)
{
	return is_mask("CapEff", caps) && is_mask("CapPrm", caps) && is_mask("CapInh", 0) &&
	       is_mask("CapAmb", 0) && is_mask("CapBnd", 0);
}

static int drop_all(void)
{
	const gid_t group = 4242;
	uid_t u[3];

	if (setgroups(1, &group) < 0 || sandbox_drop(OTHER_ID, OTHER_ID, 0) < 0)
		return 1;
	getresuid(&u[0], &u[1], &u[2]);
	if (u[0] != OTHER_ID || u[1] != OTHER_ID || u[2] != OTHER_ID || getgroups(0, NULL) != 0)
		return 2;
	if (getegid() != OTHER_ID || setuid(0) == 0 || setgid(0) == 0)
		return 3;
	return has_only(0) ? 0 : 4;
}

static int drop_but_one(void)
{
	if (sandbox_drop(OTHER_ID, OTHER_ID, NET_ADMIN) < 0)
		return 1;
	return has_only(NET_ADMIN) ? 0 : 2;
}

static int drop_twice(void)
{
	if (sandbox_drop(OTHER_ID, OTHER_ID, NET_ADMIN) < 0)
		return 1;
	if (sandbox_drop(OTHER_ID, OTHER_ID, 0) < 0 || !has_only(0))
		return 2;
	return sandbox_drop(OTHER_ID, OTHER_ID, NET_ADMIN) == -EPERM ? 0 : 3;
}

static int drop_stays_root(void)
{
	if (sandbox_drop(0, 0, NET_ADMIN) < 0)
		return 1;
	return geteuid() == 0 && getgroups(0, NULL) == 0 && has_only(NET_ADMIN) ? 0 : 2;
}

static int keep_one(void)
{
	const gid_t group = 4242;

	if (setgroups(1, &group) < 0 || sandbox_keep(NET_ADMIN) < 0)
		return 1;
	if (geteuid() != 0 || getgroups(0, NULL) != 1 || !has_only(NET_ADMIN))
		return 2;
	if (setgroups(0, NULL) == 0)
		return 3;
	/* Again, as under a service manager that has emptied the bounding set. */
	return sandbox_keep(NET_ADMIN) == 0 && sandbox_keep(1) == -EPERM ? 0 : 4;
}

/* As a service manager starts a daemon: another user, one ambient capability, some groups, and a
 * bounding set that cannot be lowered for want of CAP_SETPCAP. */
static int start_as_service(void)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = NET_ADMIN, .permitted = NET_ADMIN, .inheritable = NET_ADMIN },
	};
	gid_t groups[] = { 4242 };

	if (setgroups(1, groups) < 0 || prctl(PR_SET_KEEPCAPS, 1) < 0 ||
	    setresgid(OTHER_ID, OTHER_ID, OTHER_ID) < 0 ||
	    setresuid(OTHER_ID, OTHER_ID, OTHER_ID) < 0)
		return -1;
	if (syscall(SYS_capset, &hdr, data) < 0)
		return -1;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_ADMIN, 0, 0);
}

static int drop_in_service(void)
{
	/* A process that is not dumpable after the change of user cannot read its own /proc. */
	if (start_as_service() < 0 || prctl(PR_SET_DUMPABLE, 1) < 0)
		return 1;
	if (!is_mask("CapAmb", NET_ADMIN))
		return 2;
	if (sandbox_drop(OTHER_ID, OTHER_ID, NET_ADMIN) < 0)
		return 3;
	if (!is_mask("CapEff", NET_ADMIN) || !is_mask("CapPrm", NET_ADMIN) ||
	    !is_mask("CapInh", 0) || !is_mask("CapAmb", 0))
		return 4;
	return getgroups(0, NULL) == 1 ? 0 : 5;
}

static int drop_in_service_to_another(void)
{
	if (start_as_service() < 0)
		return 1;
	return sandbox_drop(OTHER_ID - 1, OTHER_ID - 1, NET_ADMIN) == -EPERM ? 0 : 2;
}

static int drop_from_half_changed(void)
{
	if (setresgid(0, OTHER_ID, 0) < 0 || setresuid(0, OTHER_ID, 0) < 0)
		return 1;
	/* The effective user is the wanted one, the saved one still root: this must not do. */
	return sandbox_drop(OTHER_ID, OTHER_ID, 0) == -EPERM ? 0 : 2;
}

static int drop_keeps_death_signal(void)
{
	int sig = 0;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || sandbox_drop(OTHER_ID, OTHER_ID, 0) < 0)
		return 1;
	return prctl(PR_GET_PDEATHSIG, &sig) == 0 && sig == SIGKILL ? 0 : 2;
}

static void test_drop(void)
{
	if (skip_unless_root())
		return;
	EXPECT_CHILD(drop_all, 0);
	EXPECT_CHILD(drop_but_one, 0);
	EXPECT_CHILD(drop_twice, 0);
	EXPECT_CHILD(drop_stays_root, 0);
	EXPECT_CHILD(keep_one, 0);
}

static void test_drop_in_service(void)
{
	if (skip_unless_root())
		return;
	EXPECT_CHILD(drop_in_service, 0);
	EXPECT_CHILD(drop_in_service_to_another, 0);
}

static void test_drop_from_half_changed(void)
{
	if (skip_unless_root())
		return;
	EXPECT_CHILD(drop_from_half_changed, 0);
}

static void test_drop_keeps_death_signal(void)
{
	if (skip_unless_root())
		return;
	EXPECT_CHILD(drop_keeps_death_signal, 0);
}

static void test_find_user(void)
{
	static const char *const absent[] = {
		"no-such-user", "root:no-such-group", "root:", "-1", "4294967295", "0x1", "1x"
	};
	char name[80];
	uid_t uid = 77;
	gid_t gid = 77;

	CU_ASSERT(sandbox_find_user("root", &uid, &gid) == 0 && uid == 0 && gid == 0);
	CU_ASSERT(sandbox_find_user("1234", &uid, &gid) == 0 && uid == 1234 && gid == 1234);
	CU_ASSERT(sandbox_find_user("1234:5678", &uid, &gid) == 0 && uid == 1234 && gid == 5678);
	CU_ASSERT(sandbox_find_user("5:root", &uid, &gid) == 0 && uid == 5 && gid == 0);
	CU_ASSERT(sandbox_find_user("4294967294", &uid, &gid) == 0 && uid == 4294967294U);
	uid = gid = 77;
	for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
		CU_ASSERT_EQUAL(sandbox_find_user(absent[i], &uid, &gid), -ENOENT);
	CU_ASSERT_EQUAL(sandbox_find_user("", &uid, &gid), -EINVAL);
	CU_ASSERT_EQUAL(sandbox_find_user(":root", &uid, &gid), -EINVAL);
	memset(name, 'n', sizeof(name));
	name[63] = '\0';
	CU_ASSERT_EQUAL(sandbox_find_user(name, &uid, &gid), -ENOENT);
	name[63] = 'n';
	name[64] = '\0';
	CU_ASSERT_EQUAL(sandbox_find_user(name, &uid, &gid), -EINVAL);
	CU_ASSERT(uid == 77 && gid == 77);
}

static int lock(void)
{
	struct rlimit core;

	if (strcmp(status_line("NoNewPrivs"), "0") != 0)
		return 1;
	if (sandbox_lock_privileges() < 0)
		return 2;
	if (strcmp(status_line("NoNewPrivs"), "1") != 0 || prctl(PR_GET_DUMPABLE) != 0)
		return 3;
	return getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 ? 0 : 4;
}

static void test_lock(void)
{
	int now = in_child(lock);

	if (now == 1)
		tap_skip("this process may not gain privileges already");
	else
		EXPECT_CHILD(lock, 0);
}

static char there[PATH_MAX], absent[PATH_MAX];

static bool is_refused(long r)
{
	return r < 0 && errno == EACCES;
}

static int no_files(void)
{
	int open_fd = open(there, O_RDWR | O_CLOEXEC);
	int dir_fd = open(tmpdir_get(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char c;

	if (sandbox_lock_privileges() < 0)
		return 1;
	switch (sandbox_no_files()) {
	case 0:
		break;
	case SANDBOX_E_ABSENT:
		return 77;
	default:
		return 2;
	}
	if (!is_refused(open(there, O_RDONLY)) || !is_refused(open(there, O_WRONLY)) ||
	    !is_refused(openat(dir_fd, "there", O_RDONLY)) || !is_refused(open("/", O_DIRECTORY)))
		return 3;
	if (!is_refused(open(absent, O_CREAT | O_WRONLY, 0600)) ||
	    !is_refused(mkdir(absent, 0700)) || !is_refused(symlink("x", absent)) ||
	    !is_refused(mkfifo(absent, 0600)))
		return 4;
	if (!is_refused(unlink(there)) || !is_refused(execl("/bin/true", "true", NULL)))
		return 5;
	return read(open_fd, &c, 1) == 1 && c == 'x' ? 0 : 6;
}

static int no_truncation(void)
{
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, 1U);

	if (abi < 3)
		return 77; /* the right to cut came with Landlock ABI 3 */
	if (sandbox_lock_privileges() < 0 || sandbox_no_files() < 0)
		return 1;
	return is_refused(truncate(there, 0)) ? 0 : 2;
}

static void expect_or_skip(int (*run)(void))
{
	int r;

	CU_ASSERT_EQUAL(tmpdir_write("there", "x", 1), 0);
	tmpdir_path(there, "there");
	tmpdir_path(absent, "absent");
	r = in_child(run);
	if (r == 77)
		tap_skip("this kernel has no Landlock, or an old one");
	else if (r != 0)
		tap_fail(__FILE__, __LINE__, "the child ends with %d: %s", r, child_text);
}

static void test_no_files(void)
{
	expect_or_skip(no_files);
}

static void test_no_truncation(void)
{
	expect_or_skip(no_truncation);
}

static int only_getpid(void)
{
	static const int allowed[] = { SYS_getpid, SYS_read };

	if (sandbox_lock_privileges() < 0 || sandbox_syscalls(allowed, ARRAY_SIZE(allowed)) < 0)
		return 1;
	return syscall(SYS_getpid) > 0 ? 0 : 2;
}

static int refused_socket(void)
{
	if (sandbox_lock_privileges() < 0 || sandbox_syscalls(NULL, 0) < 0)
		return 1;
	return socket(AF_INET6, SOCK_STREAM, 0);
}

/* socket() is allowed, of which family is another question. */
static int socket_of(int family)
{
	static const int allowed[] = { SYS_socket };

	if (sandbox_lock_privileges() < 0 || sandbox_syscalls(allowed, ARRAY_SIZE(allowed)) < 0)
		return 1;
	return (int)syscall(SYS_socket, family, SOCK_DGRAM, 0) < 0 ? 2 : 0;
}

static int socket_v4(void)
{
	return socket_of(AF_INET);
}

static int socket_v6(void)
{
	return socket_of(AF_INET6);
}

static int socket_unix(void)
{
	return socket_of(AF_UNIX);
}

static int socket_netlink(void)
{
	return socket_of(AF_NETLINK);
}

static void test_socket_families(void)
{
	EXPECT_CHILD(socket_v4, 0);
	EXPECT_CHILD(socket_v6, 0);
	EXPECT_CHILD(socket_unix, SANDBOX_EXIT_SYSCALL);
	EXPECT_CHILD(socket_netlink, SANDBOX_EXIT_SYSCALL);
	EXPECT_CHILD(refused_socket, SANDBOX_EXIT_SYSCALL);
}

static int refused_large_number(void)
{
	if (sandbox_lock_privileges() < 0 || sandbox_syscalls(NULL, 0) < 0)
		return 1;
	return (int)syscall(123456);
}

static int seccomp_is_on(void)
{
	static const int allowed[] = { SYS_openat,     SYS_read, SYS_close, SYS_fstat,
				       SYS_newfstatat, SYS_brk,  SYS_mmap,  SYS_munmap };

	if (strcmp(status_line("Seccomp"), "0") != 0)
		return 77;
	if (sandbox_lock_privileges() < 0 || sandbox_syscalls(allowed, ARRAY_SIZE(allowed)) < 0)
		return 1;
	return strcmp(status_line("Seccomp"), "2") == 0 ? 0 : 2;
}

/* Sends on an unconnected socket; with the flag that connects it on the way. */
static int send_with(int flags)
{
	static const int allowed[] = { SYS_sendto };
	struct sockaddr_in6 to = { .sin6_family = AF_INET6,
				   .sin6_addr = IN6ADDR_LOOPBACK_INIT,
				   .sin6_port = htons(9) };
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	if (fd < 0 || sandbox_lock_privileges() < 0 ||
	    sandbox_syscalls(allowed, ARRAY_SIZE(allowed)) < 0)
		return 1;
	return sendto(fd, "x", 1, flags | MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)) < 0 ?
		       0 :
		       2;
}

static int plain_send(void)
{
	return send_with(0);
}

static int connecting_send(void)
{
	return send_with(MSG_FASTOPEN);
}

static void test_connecting_send(void)
{
	EXPECT_CHILD(plain_send, 0);
	EXPECT_CHILD(connecting_send, SANDBOX_EXIT_SYSCALL);
}

static void test_syscalls(void)
{
	char want[80];

	EXPECT_CHILD(only_getpid, 0);
	EXPECT_CHILD(refused_socket, SANDBOX_EXIT_SYSCALL);
	snprintf(want, sizeof(want), "sandbox: refused system call %d\n", SYS_socket);
	CU_ASSERT_STRING_EQUAL(child_text, want);
	EXPECT_CHILD(refused_large_number, SANDBOX_EXIT_SYSCALL);
	CU_ASSERT_STRING_EQUAL(child_text, "sandbox: refused system call 123456\n");
}

static void test_seccomp_is_on(void)
{
	expect_or_skip(seccomp_is_on);
}

/* Every list length around the limit; the last entry must count. */
static size_t n_listed;

static int list_of_many(void)
{
	int allowed[SANDBOX_SYSCALLS_MAX + 1];
	int r;

	for (size_t i = 0; i < n_listed; i++)
		allowed[i] = i + 1 == n_listed ? SYS_getppid : SYS_read;
	if (sandbox_lock_privileges() < 0)
		return 1;
	r = sandbox_syscalls(allowed, n_listed);
	if (r == -E2BIG)
		return 7;
	return r == 0 && syscall(SYS_getppid) > 0 ? 0 : 2;
}

static void test_syscalls_limit(void)
{
	for (n_listed = SANDBOX_SYSCALLS_MAX - 1; n_listed <= SANDBOX_SYSCALLS_MAX + 1; n_listed++)
		EXPECT_CHILD(list_of_many, n_listed <= SANDBOX_SYSCALLS_MAX ? 0 : 7);
}

/* Each of the three layers shows by itself: what the list allows, Landlock still refuses. */
static int enter_all(void)
{
	static const int allowed[] = { SYS_openat, SYS_prctl, SYS_getppid };
	int r = sandbox_enter(allowed, ARRAY_SIZE(allowed));

	if (r < 0 || syscall(SYS_prctl, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 1;
	if (r == SANDBOX_E_ABSENT)
		return 77;
	if (r != 0 || !is_refused(syscall(SYS_openat, AT_FDCWD, there, O_RDONLY)))
		return 2;
	syscall(SYS_getpid);
	return 3;
}

static int enter_too_many(void)
{
	static const int allowed[SANDBOX_SYSCALLS_MAX + 1];

	capture_begin();
	if (sandbox_enter(allowed, ARRAY_SIZE(allowed)) != -E2BIG)
		return 1;
	return strstr(capture_end(), "cannot confine itself: seccomp: Argument list") ? 0 : 2;
}

static void test_enter(void)
{
	int r;

	CU_ASSERT_EQUAL(tmpdir_write("there", "x", 1), 0);
	tmpdir_path(there, "there");
	r = in_child(enter_all);
	if (r == 77)
		tap_skip("this kernel has no Landlock");
	else
		CU_ASSERT_EQUAL(r, SANDBOX_EXIT_SYSCALL);
	EXPECT_CHILD(enter_too_many, 0);
}

static int unlocked(void)
{
	if (sandbox_drop(OTHER_ID, OTHER_ID, 0) < 0)
		return 1;
	if (strcmp(status_line("NoNewPrivs"), "0") != 0 && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0))
		return 77;
	if (sandbox_syscalls(NULL, 0) != -EACCES)
		return 2;
	switch (sandbox_no_files()) {
	case -EPERM:
	case SANDBOX_E_ABSENT:
		return 0;
	default:
		return 3;
	}
}

static void test_order(void)
{
	if (!skip_unless_root())
		expect_or_skip(unlocked);
}

static const struct tap_test tests[] = {
	{ "drop", test_drop },
	{ "drop in a service", test_drop_in_service },
	{ "drop from a half changed user", test_drop_from_half_changed },
	{ "drop keeps the parent-death signal", test_drop_keeps_death_signal },
	{ "find a user", test_find_user },
	{ "lock privileges", test_lock },
	{ "no files", test_no_files },
	{ "no truncation", test_no_truncation },
	{ "system calls", test_syscalls },
	{ "a send that connects", test_connecting_send },
	{ "families of sockets", test_socket_families },
	{ "the filter is on", test_seccomp_is_on },
	{ "system call list limit", test_syscalls_limit },
	{ "all layers at once", test_enter },
	{ "nothing works without the lock", test_order },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "sandbox", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
