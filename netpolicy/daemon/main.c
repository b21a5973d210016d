/* SPDX-License-Identifier: MIT */
/*
 * netpolicyd: keeps the policy of this host in the kernel, whoever disturbs it, and holds the
 * grants. See netpolicyd(8).
 */
#include <stdio.h>

int main(int argc, char **argv)
{
	fputs("netpolicyd: not built yet\n", stderr);
	return 2;
}
