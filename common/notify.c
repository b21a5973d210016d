/* SPDX-License-Identifier: MIT */
#include "common/notify.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

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
