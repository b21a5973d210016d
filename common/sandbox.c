/* SPDX-License-Identifier: MIT */
#include "common/sandbox.h"

#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/log.h"

#if defined(__x86_64__)
#define SANDBOX_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SANDBOX_ARCH AUDIT_ARCH_AARCH64
#else
#error "add the audit architecture of this machine"
#endif

/* The file rights are the lowest bits: 13 of them in ABI 1, REFER in 2, TRUNCATE in 3, IOCTL_DEV
 * in 5. By number, for the headers may be older than the kernel. Source: linux/landlock.h. */
#define SANDBOX_FS_RIGHTS_ABI1 13

static int sandbox_set_caps(uint64_t caps)
{
	struct __user_cap_header_struct hdr = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)caps, .permitted = (uint32_t)caps },
		{ .effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32) },
	};

	return syscall(SYS_capset, &hdr, data) < 0 ? -errno : 0;
}

/* Dropping a bounding capability needs CAP_SETPCAP; without it there is nothing left to take. */
static int sandbox_empty_bounding(void)
{
	for (int cap = 0; cap <= 63; cap++)
		if (prctl(PR_CAPBSET_READ, cap) == 1 && prctl(PR_CAPBSET_DROP, cap) < 0 &&
		    errno != EPERM)
			return -errno;
	return 0;
}

/* True when real, effective and saved ids are the wanted ones and nothing is left to give up. */
static bool sandbox_is_user(uid_t uid, gid_t gid)
{
	uid_t u[3];
	gid_t g[3];

	if (uid == 0 || getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(u); i++)
		if (u[i] != uid || g[i] != gid)
			return false;
	return true;
}

static int sandbox_change_user(uid_t uid, gid_t gid)
{
	int death_signal = 0;

	if (sandbox_is_user(uid, gid))
		return 0;
	if (prctl(PR_GET_PDEATHSIG, &death_signal) < 0)
		return -errno;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 ||
	    setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0 ||
	    prctl(PR_SET_KEEPCAPS, 0) < 0)
		return -errno;
	return prctl(PR_SET_PDEATHSIG, death_signal) < 0 ? -errno : 0;
}

static int sandbox_finish_caps(uint64_t caps)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -errno;
	/* Fails for what is not permitted: this is the check of @caps, too. */
	return sandbox_set_caps(caps);
}

int sandbox_drop(uid_t uid, gid_t gid, uint64_t caps)
{
	/* The bounding set first: afterwards CAP_SETPCAP is gone. It limits only what a later exec
	 * may gain, not what is held now. */
	int r = sandbox_empty_bounding();

	if (r == 0)
		r = sandbox_change_user(uid, gid);
	return r < 0 ? r : sandbox_finish_caps(caps);
}

int sandbox_keep(uint64_t caps)
{
	int r = sandbox_empty_bounding();

	return r < 0 ? r : sandbox_finish_caps(caps);
}

static int sandbox_parse_id(const char *text, unsigned int *ret)
{
	char *end;
	unsigned long v;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || v > UINT32_MAX - 1)
		return -EINVAL;
	*ret = (unsigned int)v;
	return 0;
}

static int sandbox_find_group(const char *text, gid_t *ret)
{
	const struct group *gr;

	if (sandbox_parse_id(text, ret) == 0)
		return 0;
	gr = getgrnam(text);
	if (!gr)
		return -ENOENT;
	*ret = gr->gr_gid;
	return 0;
}

int sandbox_find_user(const char *text, uid_t *ret_uid, gid_t *ret_gid)
{
	char name[64];
	const char *colon = strchr(text, ':');
	const struct passwd *pw;
	size_t n = colon ? (size_t)(colon - text) : strlen(text);
	uid_t uid;
	gid_t gid;

	if (!n || n >= sizeof(name))
		return -EINVAL;
	memcpy(name, text, n);
	name[n] = '\0';
	if (sandbox_parse_id(name, &uid) < 0) {
		pw = getpwnam(name);
		if (!pw)
			return -ENOENT;
		uid = pw->pw_uid;
		gid = pw->pw_gid;
	} else {
		gid = uid;
	}
	if (colon && sandbox_find_group(colon + 1, &gid) < 0)
		return -ENOENT;
	*ret_uid = uid;
	*ret_gid = gid;
	return 0;
}

int sandbox_lock_privileges(void)
{
	const struct rlimit none = { 0, 0 };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ||
	    setrlimit(RLIMIT_CORE, &none) < 0)
		return -errno;
	return 0;
}

/* Every file right of Landlock version @abi, as a mask. */
static uint64_t sandbox_fs_rights(int abi)
{
	unsigned int n = SANDBOX_FS_RIGHTS_ABI1 + (abi >= 2) + (abi >= 3) + (abi >= 5);

	return (UINT64_C(1) << n) - 1;
}

int sandbox_no_files(void)
{
	struct landlock_ruleset_attr attr = { 0 };
	_cleanup_(closep) int fd = -1;
	int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
			       LANDLOCK_CREATE_RULESET_VERSION);

	if (abi < 0)
		return errno == ENOSYS || errno == EOPNOTSUPP ? SANDBOX_E_ABSENT : -errno;
	attr.handled_access_fs = sandbox_fs_rights(abi);
	fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return -errno;
	return 0;
}

/* Names the refused call with nothing but write(2), then ends. */
static void sandbox_refused(int sig, siginfo_t *info, void *context)
{
	static const char text[] = "sandbox: refused system call ";
	char line[sizeof(text) + 12];
	unsigned int nr = (unsigned int)info->si_syscall;
	size_t at = sizeof(line);

	line[--at] = '\n';
	do
		line[--at] = (char)('0' + nr % 10);
	while (nr /= 10);
	at -= sizeof(text) - 1;
	memcpy(line + at, text, sizeof(text) - 1);
	/* Not _exit(), which a sanitizer fills with system calls of its own. */
	if (write(STDERR_FILENO, line + at, sizeof(line) - at) < 0)
		syscall(SYS_exit_group, SANDBOX_EXIT_SYSCALL);
	syscall(SYS_exit_group, SANDBOX_EXIT_SYSCALL);
}

static size_t sandbox_allow(struct sock_filter *f, int nr)
{
	f[0] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, 1);
	f[1] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	return 2;
}

#define SANDBOX_FLAG_STEPS 5

/* Stops @nr when @flag is set in its argument @arg, allowed or not; expects and leaves the number
 * of the call in the accumulator. */
static size_t sandbox_refuse_flag(struct sock_filter *f, int nr, unsigned int arg, uint32_t flag)
{
	const struct sock_filter steps[SANDBOX_FLAG_STEPS] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)nr, 0, SANDBOX_FLAG_STEPS - 1),
		/* Both architectures are little-endian: the low half of an argument comes first. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 (uint32_t)(offsetof(struct seccomp_data, args) + arg * sizeof(uint64_t))),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, flag, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};

	memcpy(f, steps, sizeof(steps));
	return SANDBOX_FLAG_STEPS;
}

#define SANDBOX_SOCKET_STEPS 6

/* Stops socket() for anything but IPv4 and IPv6, allowed or not: the sockets of other programs of
 * this host, and the kernel's, are no way out. As sandbox_refuse_flag(). */
static size_t sandbox_refuse_sockets(struct sock_filter *f)
{
	const struct sock_filter steps[SANDBOX_SOCKET_STEPS] = {
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, SANDBOX_SOCKET_STEPS - 1),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	};

	memcpy(f, steps, sizeof(steps));
	return SANDBOX_SOCKET_STEPS;
}

static size_t sandbox_write_filter(struct sock_filter *f, const int *allowed, size_t n_allowed)
{
	size_t n = 0;

	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, arch));
	f[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SANDBOX_ARCH, 1, 0);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, nr));
	/* MSG_FASTOPEN connects a socket that is not, to any address: connect() by another name. */
	n += sandbox_refuse_flag(f + n, SYS_sendto, 3, MSG_FASTOPEN);
	n += sandbox_refuse_flag(f + n, SYS_sendmsg, 2, MSG_FASTOPEN);
	n += sandbox_refuse_flag(f + n, SYS_sendmmsg, 3, MSG_FASTOPEN);
	n += sandbox_refuse_sockets(f + n);
	for (size_t i = 0; i < n_allowed; i++)
		n += sandbox_allow(f + n, allowed[i]);
	/* What sandbox_refused() needs; refused there, they would be a second trap and a kill. */
	n += sandbox_allow(f + n, SYS_write);
	n += sandbox_allow(f + n, SYS_exit_group);
	f[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
	return n;
}

int sandbox_syscalls(const int *allowed, size_t n_allowed)
{
	struct sock_filter filter[5 + 3 * SANDBOX_FLAG_STEPS + SANDBOX_SOCKET_STEPS +
				  2 * (SANDBOX_SYSCALLS_MAX + 2)];
	struct sock_fprog prog = { .filter = filter };
	struct sigaction act = { .sa_sigaction = sandbox_refused, .sa_flags = SA_SIGINFO };

	if (n_allowed > SANDBOX_SYSCALLS_MAX)
		return -E2BIG;
	prog.len = (unsigned short)sandbox_write_filter(filter, allowed, n_allowed);
	if (sigaction(SIGSYS, &act, NULL) < 0)
		return -errno;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		return -errno;
	return 0;
}

static int sandbox_tell(const char *layer, int r)
{
	log_error("cannot confine itself: %s: %s; a filter of system calls around the daemon must "
		  "let it do that",
		  layer, strerror(-r));
	return r;
}

int sandbox_enter(const int *allowed, size_t n_allowed)
{
	int files, r = sandbox_lock_privileges();

	if (r < 0)
		return sandbox_tell("privileges", r);
	files = sandbox_no_files();
	if (files < 0)
		return sandbox_tell("Landlock", files);
	if (files == SANDBOX_E_ABSENT)
		log_debug("this kernel has no Landlock; seccomp still stops every open");
	r = sandbox_syscalls(allowed, n_allowed);
	return r < 0 ? sandbox_tell("seccomp", r) : files;
}
