/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The host's configuration, /etc/postern/postern.conf and its drop-ins, as tunneld reads it.
 * [zone] and [tunnel] are shared with netpolicy, whose page of policy is another file.
 */
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/attr.h"
#include "common/conf.h"
#include "tunneld/core/offer.h"
#include "tunneld/proto/exjob.h"

#define HOSTCONF_PATH "/etc/postern/postern.conf"
#define HOSTCONF_SERVERS_MAX 16

struct hostconf_server {
	char name[OFFER_NAME_MAX];
	struct ip6_endpoint address; /* of the exchange: TCP */
	char principal[EXJOB_PRINCIPAL_MAX];
};

struct hostconf {
	struct offer_limits limits;
	struct hostconf_server servers[HOSTCONF_SERVERS_MAX];
	size_t n_servers;
	char interface[IFNAMSIZ];
	char spare_interface[IFNAMSIZ]; /* of a key rotation; read so that both programs agree */
	uint32_t mtu;                   /* upper bound, bytes */
	uint32_t mark;                  /* fwmark of what may leave outside the tunnel */
	uint32_t table;
	uint32_t priority;               /* of the rule */
	uint32_t wg_port, exchange_port; /* read so that both programs agree */
	char cert[EXJOB_PATH_MAX], key[EXJOB_PATH_MAX], ca[EXJOB_PATH_MAX];
	char deny_file[EXJOB_PATH_MAX];    /* "" = no server is denied */
	char user[64];                     /* "" = stay as started */
	char hostname[EXREQ_HOSTNAME_MAX]; /* "" = ask the kernel */
	uint32_t timeout_ms;               /* of one exchange */
	bool require_post_quantum;
};

/* Reads and checks everything. Gives *ret. Errors: as conf_load(), with @ret_error filled. */
int hostconf_load(const char *path, struct hostconf *ret,
		  struct conf_error *ret_error) _warn_unused_;

/* Prints every key with its default and meaning. */
void hostconf_print_reference(FILE *to);
