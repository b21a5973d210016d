/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Readiness for the service manager: one datagram to $NOTIFY_SOCKET. Without it every call does
 * nothing, so programs behave the same outside systemd. Source: sd_notify(3), protocol section.
 */
#include "common/attr.h"

/* Sends "READY=1" with a one-line status. Errors: 0, also without a manager; -errno. */
int notify_ready(const char *status);

/* Sends "STATUS=..." . Errors: as notify_ready(). */
int notify_status(const char *status);

/* Sends "STOPPING=1". Errors: as notify_ready(). */
int notify_stopping(void);
