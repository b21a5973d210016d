/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Commands that look at pages and touch neither the kernel nor the state: compile, fmt, init. Each
 * gives the exit code.
 */
#include "netpolicy/cli/cli.h"

/* compile [PAGE]: prints nft text, with --json the model, with --effective the whole meaning; with
 * -o writes the recorded batch. */
int clipage_compile(const struct cli *c);

/* fmt [--check] [FILE...]: rewrites the files in the form that all pages have; "-" is a filter. */
int clipage_fmt(const struct cli *c);

/* init --tier TIER UPLINK...: prints a first page. */
int clipage_init(const struct cli *c);
