/* SPDX-License-Identifier: MIT */
/* mkrecord FILE PROVIDER DOMAIN SERVICE ID SERIAL: registers an instance in the store. */
#include <stdio.h>

#include "certs/ztsd/ztsdb.h"

#define NOW 1700000000

int main(int argc, char **argv)
{
	_cleanup_(ztsdb_closep) struct ztsdb *db = NULL;
	struct ztsdb_issue issue = { .addr = "2001:db8::1",
				     .now_wall = NOW,
				     .expires_wall = NOW + 3600 };
	int r;

	if (argc != 7)
		return 64;
	issue.key = (struct ztsdb_key){ argv[2], argv[3], argv[4], argv[5] };
	issue.serial = argv[6];
	r = ztsdb_open(argv[1], false, &db);
	if (r == 0)
		r = ztsdb_register(db, &issue);
	if (r != 0)
		fprintf(stderr, "mkrecord: %d\n", r);
	return r != 0;
}
