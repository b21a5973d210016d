/* SPDX-License-Identifier: MIT */
/*
 * netpolicy-oracle: sends packets through a compiled policy in a scratch network namespace and
 * reports what nf_tables' trace says. Started by netpolicy; no use on its own.
 */
#include <stdio.h>

int main(int argc, char **argv)
{
	fputs("netpolicy-oracle: not built yet\n", stderr);
	return 2;
}
