/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One question to the kernel over rtnetlink or generic netlink, and all of its answer. A socket for
 * each question: they are few, and an answer that comes late cannot be taken for another one's.
 */
#include <linux/netlink.h>
#include <stddef.h>

#include "common/attr.h"

#define NETASK_REQUEST_BYTES 512

struct netask {
	int protocol; /* NETLINK_ROUTE, NETLINK_GENERIC */
	int (*fn)(const struct nlmsghdr *nlh, void *ctx);
	void *ctx;
};

/* Sends @nlh, with NLM_F_REQUEST and NLM_F_DUMP or NLM_F_ACK set by the caller, and calls fn() for
 * each message of the answer, which is wiped afterwards: it may hold keys. fn() gives a positive
 * number to go on (MNL_CB_OK). Errors: 0; -errno of the kernel's answer. */
int netask(const struct netask *ask, struct nlmsghdr *nlh) _warn_unused_;

/* The first attribute of @type among those at @at, @len bytes; NULL. */
const struct nlattr *netask_attr(const void *at, size_t len, int type);
