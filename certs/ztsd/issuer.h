/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The daemon itself: what it loads while it may read everything, and then the loop that serves,
 * watches the deny-list, and writes the counters, without any privilege.
 */
#include "certs/ztsd/ztsdconf.h"
#include "common/attr.h"

#define ISSUER_STATS_MS 2000  /* how late the counters in the file are at most */
#define ISSUER_DENY_S 5       /* how late a change of the deny-list is seen at most */
#define ISSUER_HEAL_FIRST_S 2 /* before a CA key that does not sign is tried again; doubles */
#define ISSUER_HEAL_LAST_S 300
#define ISSUER_ENDS_S 86400  /* between two reminders that a certificate of ours ends, at most */
#define ISSUER_DRAIN_MS 2000 /* how long what is open may go on when the program ends */

struct issuer;

/* Loads keys, certificates and secrets in files, and opens the attestors. Keeps @conf and
 * @listen_fd. Logs what is wrong. Gives *ret. Errors: 0; -EINVAL; -errno. */
int issuer_open(const struct ztsdconf *conf, int listen_fd, struct issuer **ret) _warn_unused_;

/* Tries what a start tries as the user that ztsd is to run as: the CA's key, for which a token is
 * asked, and the deny-list; and whether a certificate of ours has ended. Errors: 0; -errno,
 * logged. */
int issuer_check(struct issuer *s) _warn_unused_;

/* Tries the key, opens the store in @state_dir and serves until a signal ends it. A deny-list that
 * cannot be used does not end it: nothing is issued meanwhile. Errors: 0; -EKEYREJECTED when a
 * token was told a PIN and has no good key, and people must look first; -errno; all logged. */
int issuer_run(struct issuer *s, const char *state_dir, const char *run_dir) _warn_unused_;

/* NULL is allowed. */
void issuer_close(struct issuer *s);
/* As issuer_close(), for _cleanup_(issuer_closep). */
void issuer_closep(struct issuer **p);
