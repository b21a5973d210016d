/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What loading the page would change, over all packets, against the policy that was loaded last:
 * sets that are newly allowed or denied, grants and claims that come and go.
 */
#include "netpolicy/cli/cli.h"

/* plan: exit 0 nothing, 1 changes, 2 trouble. */
int cliplan_run(const struct cli *c);
