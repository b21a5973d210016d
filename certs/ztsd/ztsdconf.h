/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The configuration of the issuer, /etc/postern/ztsd.conf and its drop-ins. Who may register
 * (domains and services) is not here but in the store, where ztsctl changes it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "certs/principal.h"
#include "certs/ztsd/attestor.h"
#include "common/attr.h"
#include "common/conf.h"
#include "common/ip6.h"

#define ZTSDCONF_PATH "/etc/postern/ztsd.conf"
#define ZTSDCONF_TEXT_MAX 256 /* bytes of a path, URI or name, with NUL */
#define ZTSDCONF_USER_MAX 64  /* bytes of "name:group", with NUL */
#define ZTSDCONF_PROVIDERS_MAX 16
#define ZTSDCONF_LIST_MAX 16     /* entries of each short list below */
#define ZTSDCONF_PREFIXES_MAX 64 /* source prefixes of one provider */
#define ZTSDCONF_LIFETIME_MAX_S (366 * 86400)

/* A short list of texts; @at points into @texts once loaded. */
struct ztsdconf_list {
	char texts[ZTSDCONF_LIST_MAX][ZTSDCONF_TEXT_MAX];
	const char *at[ZTSDCONF_LIST_MAX];
	size_t n;
};

/* [provider NAME] */
struct ztsdconf_provider {
	char name[PRINCIPAL_PROVIDER_MAX];
	bool is_token; /* kind = token; else aws */
	struct ztsdconf_list aws_certs, suffixes, jwt_orgs;
	struct ip6_prefix sources[ZTSDCONF_PREFIXES_MAX]; /* where requests may come from */
	size_t n_sources;                                 /* 0 = anywhere */
	uint32_t boot_window_s;
	bool check_private_ip;
	bool need_credentials;
	char sts_url[ZTSDCONF_TEXT_MAX], sts_address[ZTSDCONF_TEXT_MAX];
	char sts_ca[ZTSDCONF_TEXT_MAX];
	uint32_t sts_timeout_ms;
	char jwt_issuer[ZTSDCONF_TEXT_MAX], jwt_keys[ZTSDCONF_TEXT_MAX];
	char jwt_audience[ZTSDCONF_TEXT_MAX];
	char token_key[ZTSDCONF_TEXT_MAX];
	struct attestor_spec spec; /* points into this struct once loaded */
};

struct ztsdconf {
	struct ip6_endpoint listen;
	char user[ZTSDCONF_USER_MAX];                         /* "" = stay as started */
	char cert[ZTSDCONF_TEXT_MAX], key[ZTSDCONF_TEXT_MAX]; /* of the listener */
	char ca_cert[ZTSDCONF_TEXT_MAX];                      /* who signs instances */
	char ca_key[ZTSDCONF_TEXT_MAX];                       /* path, or URI with a scheme */
	char ca_key_provider[CONF_NAME_MAX];                  /* of OpenSSL; "" = as openssl.cnf */
	char ca_key_pin_file[ZTSDCONF_TEXT_MAX];              /* "" = none */
	char client_ca[ZTSDCONF_TEXT_MAX];                    /* @ca_cert when not set */
	char ca_bundle[CONF_NAME_MAX];                        /* name under /cacerts */
	char deny_file[ZTSDCONF_TEXT_MAX];                    /* "" = none */
	char spiffe_trust_domain[ZTSDCONF_TEXT_MAX];
	struct ztsdconf_list organizations;        /* allowed values of O; none = any */
	struct ztsdconf_list organizational_units; /* beside the provider's name */
	bool verify_ou;
	bool read_only;
	uint32_t default_lifetime_s, min_lifetime_s, max_lifetime_s;
	uint32_t backdate_s;
	uint32_t requests_per_minute, request_burst; /* of one source; 0 = no limit */
	uint32_t conns_max, conns_per_source, request_timeout_ms;
	struct ztsdconf_provider providers[ZTSDCONF_PROVIDERS_MAX];
	size_t n_providers;
};

/* Reads and checks everything. Gives *ret (ztsdconf_free()), which is large and points into itself.
 * Errors: as conf_load() with @ret_error filled; -ENOMEM. */
int ztsdconf_load(const char *path, struct ztsdconf **ret,
		  struct conf_error *ret_error) _warn_unused_;

/* As ztsdconf_load() for text in memory; @name stands for the file. For tests. */
int ztsdconf_load_text(const char *name, const char *text, struct ztsdconf **ret,
		       struct conf_error *ret_error) _warn_unused_;

/* Whether @text can be ca_key: an absolute path, or a URI with a scheme. */
bool ztsdconf_is_key(const char *text);

/* The provider of that name; NULL when there is none. Borrowed from @c. */
const struct ztsdconf_provider *ztsdconf_find(const struct ztsdconf *c, const char *name);

/* Prints every key with its default and meaning. */
void ztsdconf_print_reference(FILE *to);

/* NULL is allowed. */
void ztsdconf_free(struct ztsdconf *c);
/* As ztsdconf_free(), for _cleanup_(ztsdconf_freep). */
void ztsdconf_freep(struct ztsdconf **p);
