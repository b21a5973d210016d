/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One exchange over HTTPS on a socket that tunneld made: request out, offer or refusal in.
 */
#include <stdint.h>

#include "common/attr.h"
#include "tunneld/proto/exjob.h"

/* Certificate, key and CA as PEM, read before the sandbox closes the file system. */
struct excall_identity {
	uint8_t *cert, *key, *ca; /* owned */
	size_t cert_len, key_len, ca_len;
};

#define EXCALL_PEM_MAX 65536 /* bytes of one identity file */

/* Reads the three files named in @job. Gives *ret. Errors: 0; -errno with @ret->code and detail in
 * @ret_result. */
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
