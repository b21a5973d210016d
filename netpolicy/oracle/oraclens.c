/* SPDX-License-Identifier: MIT */
#include "netpolicy/oracle/oraclens.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/sandbox.h"

#define ORACLENS_NOBODY 65534
#define ORACLENS_BASE 2147483648u /* first of the numbers outside; nobody hands these out */

static int oraclens_write(pid_t pid, const char *file, const char *text)
{
	_cleanup_(closep) int fd = -1;
	char path[64];
	size_t len = strlen(text);

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, len) == (ssize_t)len ? 0 : -errno;
}

static int oraclens_open(size_t n, struct oraclens *ret)
{
	while (ret->n < n) {
		int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

		if (fd < 0)
			return -errno;
		ret->tuns[ret->n++] = fd;
	}
	return 0;
}

/* One byte and, when there are any, descriptors. */
static int oraclens_pass(int fd, char byte, const struct oraclens *ns)
{
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(ns->tuns))];
	} room = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (ns->n) {
		msg.msg_control = room.bytes;
		msg.msg_controllen = CMSG_SPACE(ns->n * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		if (!c)
			return -EINVAL;
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(ns->n * sizeof(int));
		memcpy(CMSG_DATA(c), ns->tuns, ns->n * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* The counterpart. The byte is an errno. */
static int oraclens_take(int fd, size_t n, struct oraclens *ret)
{
	uint8_t byte = EPIPE;
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(ret->tuns))];
	} room = { 0 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = room.bytes,
			      .msg_controllen = sizeof(room.bytes) };
	struct cmsghdr *c;

	if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EPIPE;
	c = CMSG_FIRSTHDR(&msg);
	if (byte || !n)
		return -(int)byte;
	if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(n * sizeof(int)))
		return -EBADMSG;
	memcpy(ret->tuns, CMSG_DATA(c), n * sizeof(int));
	ret->n = n;
	return 0;
}

/* The part that is still root on the host: the map, and the device, which only root may open on
 * some systems. It lies in the namespace in which it was opened. */
static int oraclens_help(pid_t child, size_t n, struct oraclens *ret)
{
	char map[64], path[64];
	_cleanup_(closep) int ns = -1;
	int r;

	snprintf(map, sizeof(map), "0 %u %u", ORACLENS_BASE, ORACLENS_UIDS);
	r = oraclens_write(child, "uid_map", map);
	if (r == 0)
		r = oraclens_write(child, "gid_map", map);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "/proc/%d/ns/net", child);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		return -errno;
	return oraclens_open(n, ret);
}

/* The helper: waits for the word that the namespaces are made. */
static void oraclens_helper(int fd, pid_t child, size_t n)
{
	struct oraclens ns = { 0 };
	char byte;
	int r;

	if (read(fd, &byte, 1) != 1)
		_exit(0);
	r = oraclens_help(child, n, &ns);
	if (r < 0)
		ns.n = 0;
	_exit(oraclens_pass(fd, (char)-r, &ns) < 0);
}

/* In the new namespace, as the root of it, who is nobody outside. */
static int oraclens_become(int fd, size_t n, struct oraclens *ret, const char **ret_what)
{
	int r;

	*ret_what = "the map of users, or /dev/net/tun";
	if (write(fd, "g", 1) != 1)
		return -errno;
	r = oraclens_take(fd, n, ret);
	if (r < 0)
		return r;
	*ret_what = "root of its own namespace";
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return -errno;
	ret->has_uids = true;
	return 0;
}

static int oraclens_as_root(size_t n, struct oraclens *ret, const char **ret_what)
{
	_cleanup_(closep) int ours = -1;
	_cleanup_(closep) int theirs = -1;
	pid_t me = getpid();
	int pair[2], r;
	pid_t pid;

	*ret_what = "a helper";
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		closep(&ours);
		oraclens_helper(theirs, me, n);
	}
	closep(&theirs);
	*ret_what = "a user namespace";
	r = unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0 ? -errno :
							oraclens_become(ours, n, ret, ret_what);
	closep(&ours);
	(void)TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
	return r;
}

/* The own number, and nothing else. */
static int oraclens_as_user(size_t n, struct oraclens *ret, const char **ret_what)
{
	char map[32];
	uid_t uid = geteuid();
	gid_t gid = getegid();
	int r;

	*ret_what = "a user and network namespace";
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -errno;
	*ret_what = "the map of users";
	snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	r = oraclens_write(getpid(), "uid_map", map);
	if (r == 0)
		r = oraclens_write(getpid(), "setgroups", "deny");
	snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	if (r == 0)
		r = oraclens_write(getpid(), "gid_map", map);
	if (r < 0)
		return r;
	*ret_what = "/dev/net/tun";
	return oraclens_open(n, ret);
}

/* User namespaces are switched off, as in some containers: root can do without. */
static int oraclens_plain(size_t n, struct oraclens *ret, const char **ret_what)
{
	*ret_what = "a network namespace";
	if (unshare(CLONE_NEWNET) < 0)
		return -errno;
	ret->has_uids = true;
	ret->is_plain = true;
	*ret_what = "/dev/net/tun";
	return oraclens_open(n, ret);
}

int oraclens_enter(size_t n, struct oraclens *ret, const char **ret_what)
{
	int r;

	*ret = (struct oraclens){ 0 };
	if (n > ORACLENS_TUNS_MAX)
		return -E2BIG;
	if (geteuid() != 0)
		return oraclens_as_user(n, ret, ret_what);
	r = oraclens_as_root(n, ret, ret_what);
	return (r == -EPERM || r == -ENOSPC || r == -EINVAL) && !ret->has_uids && !ret->n ?
		       oraclens_plain(n, ret, ret_what) :
		       r;
}

int oraclens_drop(const struct oraclens *ns)
{
	int r = 0;

	if (ns->is_plain)
		r = sandbox_drop(ORACLENS_NOBODY, ORACLENS_NOBODY,
				 UINT64_C(1) << CAP_NET_ADMIN | UINT64_C(1) << CAP_NET_RAW);
	if (r == 0)
		r = sandbox_lock_privileges();
	if (r == 0)
		r = sandbox_no_files();
	return r == SANDBOX_E_ABSENT ? 0 : r;
}
