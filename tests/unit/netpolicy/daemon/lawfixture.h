/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Small policies as the files that netpolicyd reads, and a netpolicyd of the build over a state
 * directory of its own, in the network namespace of the test.
 */
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "netpolicy/apply/batchfile.h"
#include "netpolicy/apply/ctlwire.h"

/* Compiles policy number @n: each allows tcp port @n, offers the grant ssh (2001:db8::/32 and
 * 10.0.0.0/8, an hour at most) and guards eth0. Gives *ret; a failure fails the test. Release it
 * with batchfile_release(). */
void lawfixture_make(unsigned int n, struct batchfile *ret);

/* Writes policy number @n as @name into the directory @dir. */
void lawfixture_write(const char *dir, const char *name, unsigned int n);

struct lawfixture {
	char dir[PATH_MAX]; /* the state directory */
	char socket[PATH_MAX];
	char log[PATH_MAX];
	pid_t pid; /* 0 = it does not run */
};

/* Makes a namespace with a link eth0 and an empty state directory. False: the test is skipped. */
bool lawfixture_begin(struct lawfixture *f);

/* Starts netpolicyd and waits until it answers. @option: one more argument, or NULL. */
void lawfixture_start(struct lawfixture *f, const char *option);

/* Ends it with @signal and gives its exit status, 128 + the signal when that ended it. */
int lawfixture_stop(struct lawfixture *f, int signal);

/* Asks it; a call that does not get through fails the test. Static. */
const struct ctlwire_answer *lawfixture_ask(struct lawfixture *f, const struct ctlwire_request *q);

/* Asks with nothing but an operation and a number of seconds. */
const struct ctlwire_answer *lawfixture_do(struct lawfixture *f, enum ctlwire_op op,
					   unsigned int seconds);

/* Waits until the shell command succeeds; fails the test after some seconds. */
void lawfixture_wait(const char *command);

/* The status. Static. */
const struct ctlwire_status *lawfixture_status(struct lawfixture *f);

/* True when the log has the words. */
bool lawfixture_said(struct lawfixture *f, const char *words);

/* Writes @law as the next policy. */
void lawfixture_write_again(struct lawfixture *f, const struct batchfile *law);

/* What a test leaves: the daemon is ended, the directory emptied. */
void lawfixture_end(struct lawfixture *f);
