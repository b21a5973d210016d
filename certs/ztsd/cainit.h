/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * 'ztsd init': makes a CA and a certificate for ztsd's own listener, each with its key, in a
 * directory. The CA's key may also be there already, in a token for example. Replaces nothing.
 */
#include <stddef.h>
#include <stdint.h>

#include "certs/ztsd/cakey.h"
#include "common/attr.h"

#define CAINIT_NAMES_MAX 16
#define CAINIT_DAYS_MAX 36500
#define CAINIT_WHY_MAX CAKEY_WHY_MAX

struct cainit_spec {
	const char *dir;                     /* made when absent; its parent must exist */
	const char *name;                    /* common name of the CA */
	uint32_t days;                       /* how long both certificates last */
	const char *names[CAINIT_NAMES_MAX]; /* of the listener: DNS names or addresses */
	size_t n_names;                      /* at least one */
	struct cakey_spec ca_key;            /* that of the CA; without its key one is made */
};

/* Makes ca.key.pem (0600) unless there is another, ca.cert.pem, server.key.pem (0600) and
 * server.cert.pem. Errors: 0; -EEXIST when one of them is there; -errno; always with @ret_why. */
int cainit_make(const struct cainit_spec *spec, uint64_t now_wall,
		char ret_why[static CAINIT_WHY_MAX]) _warn_unused_;
