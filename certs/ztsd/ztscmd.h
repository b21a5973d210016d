/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The commands of ztsctl. Each prints what it did, or why not, and gives the exit status. The store
 * is opened as its owner, so that ztsd can go on with what root has changed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZTSCMD_SERVICES_MAX 64  /* --service in one command */
#define ZTSCMD_PROVIDERS_MAX 16 /* --provider in one command */
#define ZTSCMD_ARGS_MAX 4
#define ZTSCMD_STATE_DIR "/var/lib/postern-ztsd"
#define ZTSCMD_VALID_MAX_S (366 * 86400) /* how long a token may register */

enum ztscmd_exit {
	ZTSCMD_OK = 0,
	ZTSCMD_FAILURE = 1, /* not found, not done */
	ZTSCMD_CONFIG = 2,  /* configuration or secret not usable */
	ZTSCMD_USAGE = 64,
};

/* The command line. Borrowed texts; NULL or 0 = not given. */
struct ztscmd {
	const char *config, *state_dir;
	const char *args[ZTSCMD_ARGS_MAX]; /* behind the command */
	size_t n_args;
	const char *services[ZTSCMD_SERVICES_MAX];
	size_t n_services;
	const char *providers[ZTSCMD_PROVIDERS_MAX];
	size_t n_providers;
	const char *domain, *instance_id, *account, *key;
	uint64_t max_lifetime_s, valid_s, idle_days; /* idle_days: 0 = not said */
	bool has_max_lifetime, json, all, yes;
};

/* Adds a domain, or changes what is given of one that exists. */
int ztscmd_domain_add(const struct ztscmd *c);
/* Removes a domain, services of it, or rights of providers. */
int ztscmd_domain_remove(const struct ztscmd *c);
/* Lists domains with their services. */
int ztscmd_domain_list(const struct ztscmd *c);
/* Lists the records that match. */
int ztscmd_list(const struct ztscmd *c);
/* Shows all that is known of one instance. */
int ztscmd_show(const struct ztscmd *c);
/* Blocks an instance. */
int ztscmd_revoke(const struct ztscmd *c);
/* Lets an instance, or all of them, go on with the certificates they have. */
int ztscmd_reset(const struct ztscmd *c);
/* Forgets the record of an instance, or all that are of no use any more. */
int ztscmd_remove(const struct ztscmd *c);
/* Prints a registration token. */
int ztscmd_token(const struct ztscmd *c);
/* Makes the file with a provider's secret. */
int ztscmd_key(const struct ztscmd *c);
