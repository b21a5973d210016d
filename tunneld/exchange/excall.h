/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One exchange over HTTPS on a socket that tunneld made: request out, offer or refusal in.
 */
#include <stdint.h>

#include "common/attr.h"
#include "tunneld/proto/exjob.h"

struct denylist;

/* Certificate, key and CA as PEM, and who is denied; read before the sandbox closes the file
 * system. */
struct excall_identity {
	uint8_t *cert, *key, *ca; /* owned */
	size_t cert_len, key_len, ca_len;
	struct denylist *deny; /* owned; NULL = nobody is denied */
};

#define EXCALL_PEM_MAX 65536  /* bytes of one identity file */
#define EXCALL_LOAD_TRIES 100 /* certd may switch the files between two reads, but not for ever */

/* Reads the files named in @job: the three of the identity again and again, at most
 * EXCALL_LOAD_TRIES times, until key and certificate belong together. Gives *ret. Errors: 0; -errno
 * with the code and detail in @ret_result; what was read stays in @ret. */
int excall_load(const struct exjob_start *job, struct excall_identity *ret,
		struct exjob_result *ret_result) _warn_unused_;

/* Wipes and frees. For _cleanup_(excall_release). */
void excall_release(struct excall_identity *id);

/* Loads the TLS library's tables and configuration while files can still be opened. */
int excall_warm_up(void) _warn_unused_;

/* Does the exchange on the connecting socket @fd (borrowed) and fills *ret: an offer with its PSK,
 * or a code and a detail. Never fails otherwise. Borrows @job, @id. */
void excall_run(const struct exjob_start *job, const struct excall_identity *id, int fd,
		struct exjob_result *ret);
