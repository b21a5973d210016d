/* SPDX-License-Identifier: MIT */
#include "common/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "common/conf.h"
#include "common/log.h"

#define NOTIFY_US_PER_S UINT64_C(1000000)

static int notify_send(const char *message)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	_cleanup_(closep) int fd = -1;
	size_t n;

	if (!path || (path[0] != '/' && path[0] != '@'))
		return 0;
	n = strlen(path);
	if (n >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, path, n);
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* abstract socket */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&to,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) < 0)
		return -errno;
	return 0;
}

/* A line end in the status would start another assignment, "MAINPID=1" for one. */
static int notify_send_status(const char *before, const char *status)
{
	char message[NOTIFY_STATUS_MAX + 32];
	size_t n = strcspn(status, "\n");

	snprintf(message, sizeof(message), "%sSTATUS=%.*s", before,
		 n < NOTIFY_STATUS_MAX ? (int)n : NOTIFY_STATUS_MAX, status);
	return notify_send(message);
}

int notify_ready(const char *status)
{
	return notify_send_status("READY=1\n", status);
}

int notify_status(const char *status)
{
	return notify_send_status("", status);
}

int notify_stopping(void)
{
	return notify_send("STOPPING=1");
}

/* Half of what the manager waits, in us: 0 = it does not watch this process. A worker inherits the
 * variables of its parent, whose number then is another one. */
static int notify_read_watchdog(uint64_t *ret)
{
	const char *wait = getenv("WATCHDOG_USEC"), *whose = getenv("WATCHDOG_PID");
	uint64_t us = 0, pid = (uint64_t)getpid();

	if (wait && conf_parse_u64(wait, 1, UINT64_MAX - 1, &us) < 0)
		return -EINVAL;
	if (wait && whose && conf_parse_u64(whose, 1, INT32_MAX, &pid) < 0)
		return -EINVAL;
	*ret = pid == (uint64_t)getpid() ? us / 2 + us % 2 : 0;
	return 0;
}

static int notify_make_timer(uint64_t us, int *ret_fd)
{
	_cleanup_(closep) int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct itimerspec when = { .it_value.tv_sec = (time_t)(us / NOTIFY_US_PER_S),
				   .it_value.tv_nsec = (long)(us % NOTIFY_US_PER_S) * 1000 };

	when.it_interval = when.it_value;
	if (fd < 0 || timerfd_settime(fd, 0, &when, NULL) < 0)
		return -errno;
	*ret_fd = steal_fd(&fd);
	return 0;
}

int notify_open_watchdog(void)
{
	uint64_t us = 0;
	int fd = -1, r = notify_read_watchdog(&us);

	if (r == 0 && us)
		r = notify_make_timer(us, &fd);
	if (r < 0)
		log_warning("the service manager's WATCHDOG_USEC or WATCHDOG_PID: %s; no sign of "
			    "life is given",
			    strerror(-r));
	return fd;
}

int notify_alive(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return errno == EAGAIN ? 0 : -errno;
	return notify_send("WATCHDOG=1");
}
