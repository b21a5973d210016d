/* SPDX-License-Identifier: MIT */
#include "certs/fetch/fetchbox.h"

#include <string.h>
#include <sys/syscall.h>

#include "common/sandbox.h"

/* What checking a pair takes: what strace saw with Debian 12, and in the second half what making
 * keys, other versions, other allocators and slow paths of the same calls take. Nothing here opens,
 * binds, listens or executes. */
static const int fetchbox_always[] = {
	SYS_brk,           SYS_exit_group,   SYS_futex,
	SYS_sendmsg,       SYS_write,

	SYS_clock_gettime, SYS_close,        SYS_exit,
	SYS_fstat,         SYS_getpid,       SYS_getrandom,
	SYS_gettid,        SYS_gettimeofday, SYS_madvise,
	SYS_mmap,          SYS_mprotect,     SYS_mremap,
	SYS_munmap,        SYS_poll,         SYS_ppoll,
	SYS_read,          SYS_rt_sigaction, SYS_rt_sigprocmask,
	SYS_rt_sigreturn,  SYS_writev,       SYS_restart_syscall,
};

/* What HTTPS calls take besides. socket() and connect() are here and not above: a worker that
 * checks a pair cannot talk. Where to is not for this list to say; the policy of the host
 * lets certd's user reach its servers only. */
static const int fetchbox_network[] = {
	SYS_connect,  SYS_fcntl,  SYS_getpeername, SYS_getsockname, SYS_getsockopt,
	SYS_recvfrom, SYS_sendto, SYS_setsockopt,  SYS_socket,      SYS_socketpair,

	SYS_eventfd2, SYS_pipe2,  SYS_recvmsg,
};

int fetchbox_enter(bool network)
{
	int all[ARRAY_SIZE(fetchbox_always) + ARRAY_SIZE(fetchbox_network)];

	memcpy(all, fetchbox_always, sizeof(fetchbox_always));
	memcpy(all + ARRAY_SIZE(fetchbox_always), fetchbox_network, sizeof(fetchbox_network));
	return sandbox_enter(all, network ? ARRAY_SIZE(all) : ARRAY_SIZE(fetchbox_always));
}
