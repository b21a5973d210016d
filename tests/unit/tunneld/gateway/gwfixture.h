/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A configuration, and grants that it allows, for the tests of the gateway.
 */
#include <stdint.h>

#include "tunneld/gateway/gwconf.h"
#include "tunneld/proto/gwframe.h"

#define GWFIXTURE_NOW UINT64_C(1760000000) /* wall clock of these tests */
#define GWFIXTURE_TENANT "vespa.tenant.acme.aws-123456789012.tenant-host"
#define GWFIXTURE_PROVIDER "athenz.aws.us-east-1"

/* Text of a configuration that is usable; grants_max = 8, leases of 100 s. */
const char *gwfixture_conf_text(void);

/* Loads it; ends the program when that fails. gwconf_free() it. */
struct gwconf *gwfixture_conf(void);

/* A grant for instance number @n with key and address number @n, epoch GWFIXTURE_NOW. */
struct gwframe_grant gwfixture_grant(uint8_t n);
