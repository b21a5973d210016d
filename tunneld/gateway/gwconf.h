/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The configuration of a gateway, /etc/postern/gateway.conf and its drop-ins, read alike by the
 * keeper and by each worker.
 */
#include <net/if.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/attr.h"
#include "common/conf.h"
#include "common/ip6.h"
#include "tunneld/core/offer.h"

#define GWCONF_PATH "/etc/postern/gateway.conf"
#define GWCONF_FILE_MAX 1024     /* bytes of a path, with NUL */
#define GWCONF_USER_MAX 64       /* bytes of "name:group", with NUL */
#define GWCONF_PRINCIPAL_MAX 256 /* bytes, with NUL */
#define GWCONF_PROVIDER_MAX 128  /* bytes, with NUL */
#define GWCONF_PROVIDERS_MAX 16
#define GWCONF_TENANTS_MAX 4096
#define GWCONF_ROLES_MAX 64
#define GWCONF_WORKERS_MAX 64

struct gwconf {
	char name[OFFER_NAME_MAX];
	char zone[OFFER_NAME_MAX];
	struct ip6_endpoint listen;                         /* of the exchange: TCP */
	struct ip6_endpoint endpoints[OFFER_ENDPOINTS_MAX]; /* of WireGuard: UDP, public */
	size_t n_endpoints;
	struct in6_addr address;                    /* inside the tunnel */
	struct ip6_prefix routes[OFFER_ROUTES_MAX]; /* [0] is @address/128 once loaded */
	size_t n_routes;
	struct ip6_prefix hosts_prefix; /* /64 */
	char interface[IFNAMSIZ];
	uint32_t wg_port;
	uint32_t keepalive_s;
	uint32_t mtu;
	uint32_t renew_after_s;
	uint32_t expires_after_s;
	uint32_t workers;
	uint32_t conns_max; /* of one worker */
	uint32_t conns_per_source;
	uint32_t request_timeout_ms;
	uint32_t grants_max;        /* outstanding at the keeper */
	char user[GWCONF_USER_MAX]; /* "" = stay as started */
	char worker_user[GWCONF_USER_MAX];
	char providers[GWCONF_PROVIDERS_MAX][GWCONF_PROVIDER_MAX];
	const char *provider_list[GWCONF_PROVIDERS_MAX]; /* points into providers */
	size_t n_providers;
	struct offer_gateway siblings[OFFER_GATEWAYS_MAX];
	size_t n_siblings;
	char cert[GWCONF_FILE_MAX], key[GWCONF_FILE_MAX], ca[GWCONF_FILE_MAX];
	char deny_file[GWCONF_FILE_MAX]; /* "" = nobody is denied */
	char tenants[GWCONF_TENANTS_MAX][GWCONF_PRINCIPAL_MAX];
	size_t n_tenants;
	char roles[GWCONF_ROLES_MAX][GWCONF_PRINCIPAL_MAX]; /* "domain:role.role" */
	const char *role_list[GWCONF_ROLES_MAX];            /* points into roles */
	size_t n_roles;
};

/* Reads and checks everything. Gives *ret (gwconf_free()), which is large and points into itself.
 * Errors: as conf_load() with @ret_error filled; -ENOMEM. */
int gwconf_load(const char *path, struct gwconf **ret, struct conf_error *ret_error) _warn_unused_;

/* As gwconf_load() for text in memory; @name stands for the file. For tests. */
int gwconf_load_text(const char *name, const char *text, struct gwconf **ret,
		     struct conf_error *ret_error) _warn_unused_;

/* Prints every key with its default and meaning. */
void gwconf_print_reference(FILE *to);

/* NULL is allowed. */
void gwconf_free(struct gwconf *c);
/* As gwconf_free(), for _cleanup_(gwconf_freep). */
void gwconf_freep(struct gwconf **p);
