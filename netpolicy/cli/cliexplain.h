/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * explain PACKET...: what the model and what the kernel say of one packet, side by side, the line
 * that decides, what would have to change for it to pass, and the counter of the deciding rule.
 * Exit 0 allowed, 1 denied, 2 trouble, also when the two do not agree.
 */
#include "netpolicy/cli/cli.h"

/* Gives the exit code. */
int cliexplain_run(const struct cli *c);
