/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * certd's memory and the file that it is kept in: what counts of it in this boot and under this
 * configuration. It is a convenience: without it the certificate is renewed all the same.
 */
#include <stdbool.h>
#include <stdint.h>

#include "certs/certconf.h"
#include "certs/certd/certstate.h"
#include "certs/fetchjob.h"
#include "common/attr.h"
#include "common/bootid.h"

struct certmemo {
	const char *dir; /* borrowed */
	struct certstate state;
	char boot_id[BOOTID_MAX]; /* of this boot */
	uint64_t conf;    /* fingerprint of the settings that decide who the host is */
	bool cannot_save; /* told once */
};

/* Reads what is in @dir; a file that is damaged is as none. Logs. Keeps @dir.
 * Errors: 0; -errno when it cannot be found out which boot this is. */
int certmemo_open(struct certmemo *m, const char *dir, const struct certconf *conf) _warn_unused_;

/* Whether who the host is was found out in this boot and under this configuration. */
bool certmemo_knows_self(const struct certmemo *m);

/* Notes who the host is, found out now. */
void certmemo_identify(struct certmemo *m, const struct fetchjob_self *self);

/* Writes the file. Logs. */
void certmemo_save(struct certmemo *m);
