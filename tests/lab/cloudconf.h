/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What lab-cloud pretends: its instances, accounts and faults. The file and its drop-ins
 * ("FILE.d/...conf") are read again before each request, so a fault is a file put there by rename.
 */
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/attr.h"
#include "common/conf.h"

#define CLOUDCONF_INSTANCES_MAX 8
#define CLOUDCONF_ACCOUNTS_MAX 4
#define CLOUDCONF_LIST_MAX 8 /* addresses, roles, tags, listeners */
#define CLOUDCONF_TEXT_MAX 256

enum cloudconf_fault {
	CLOUDCONF_NO_FAULT,
	CLOUDCONF_SLOW, /* answers after fault_ms */
	CLOUDCONF_HANG, /* never answers */
	CLOUDCONF_503,
	CLOUDCONF_TOKEN_403,   /* IMDS: PUT is refused, as when metadata is switched off */
	CLOUDCONF_TOKEN_HANGS, /* IMDS: PUT is never answered */
	CLOUDCONF_TOKEN_HOP,   /* IMDS: the answer to PUT leaves with a hop limit of 1 */
	CLOUDCONF_GARBAGE,     /* 200 with bytes that mean nothing */
	CLOUDCONF_OVERSIZE,    /* 200 with 4 MiB */
	CLOUDCONF_REDIRECT,    /* 302 to 203.0.113.2 */
	CLOUDCONF_DENIED,      /* STS: AccessDenied */
	CLOUDCONF_EXPIRED,     /* STS: ExpiredToken */
};

enum cloudconf_document {
	CLOUDCONF_GOOD,
	CLOUDCONF_ALTERED, /* served text and signature do not belong together */
	CLOUDCONF_FORGED,  /* signed by somebody else, who names the right signer */
};

struct cloudconf_texts {
	char at[CLOUDCONF_LIST_MAX][CLOUDCONF_TEXT_MAX];
	size_t n;
};

struct cloudconf_instance {
	char name[CONF_NAME_MAX];
	struct in6_addr from[CLOUDCONF_LIST_MAX]; /* IPv4 as ::ffff:a.b.c.d */
	size_t n_from;
	char id[CLOUDCONF_TEXT_MAX], account[CLOUDCONF_TEXT_MAX], region[CLOUDCONF_TEXT_MAX];
	char private_ip[CLOUDCONF_TEXT_MAX];
	char profile[CLOUDCONF_TEXT_MAX]; /* name of the instance profile and of its role; "none" */
	char pending[CLOUDCONF_TEXT_MAX]; /* "start", "start-SECONDS", or seconds since 1970 */
	enum cloudconf_document document;
	enum cloudconf_fault fault;
	uint32_t fault_ms;
	uint32_t credentials_s;      /* life of the role's credentials; 0 = over already */
	struct cloudconf_texts tags; /* "key=value" */
};

struct cloudconf_account {
	char id[CONF_NAME_MAX];
	struct cloudconf_texts roles; /* names that may be assumed */
};

struct cloudconf {
	char keys[CLOUDCONF_TEXT_MAX]; /* folder of lab-cloud init */
	struct cloudconf_texts imds_listen, sts_listen;
	char sts_cert[CLOUDCONF_TEXT_MAX], sts_key[CLOUDCONF_TEXT_MAX];
	enum cloudconf_fault sts_fault;
	uint32_t sts_fault_ms;
	char sts_fault_action[CLOUDCONF_TEXT_MAX]; /* only this action; "" = all */
	char jwt_issuer[CLOUDCONF_TEXT_MAX], jwt_org[CLOUDCONF_TEXT_MAX];
	struct cloudconf_instance instances[CLOUDCONF_INSTANCES_MAX];
	size_t n_instances;
	struct cloudconf_account accounts[CLOUDCONF_ACCOUNTS_MAX];
	size_t n_accounts;
};

/* Reads everything. Errors: as conf_load(). */
int cloudconf_load(const char *path, struct cloudconf *ret,
		   struct conf_error *ret_error) _warn_unused_;

/* Prints every key with its meaning. */
void cloudconf_print_reference(FILE *to);

/* Who asks: by the client's address in text form. NULL when it is nobody we know. */
const struct cloudconf_instance *cloudconf_find(const struct cloudconf *c, const char *address);

/* When the instance started, in seconds since 1970. */
uint64_t cloudconf_pending(const struct cloudconf_instance *i, uint64_t start_wall);

/* Whether the role may be assumed in the account. */
bool cloudconf_has_role(const struct cloudconf *c, const char *account, const char *role);
