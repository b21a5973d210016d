/* SPDX-License-Identifier: MIT */
/*
 * mkrecord FILE PROVIDER DOMAIN SERVICE ID SERIAL [COUNT]: registers an instance in the store, or
 * that many, ID-1, ID-2 ...
 * mkrecord FILE: shortens SQLite's log; fails when somebody still looks at what is in it.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "certs/ztsd/ztsdb.h"

#define NOW 1700000000

static int make(const char *path, struct ztsdb_issue *issue, unsigned long count)
{
	_cleanup_(ztsdb_closep) struct ztsdb *db = NULL;
	char id[PRINCIPAL_INSTANCE_MAX];
	const char *prefix = issue->key.instance_id;
	int r = ztsdb_open(path, false, &db);

	if (r == 0)
		r = ztsdb_begin(db);
	for (unsigned long i = 1; r == 0 && i <= count; i++) {
		snprintf(id, sizeof(id), "%.64s-%lu", prefix, i);
		issue->key.instance_id = count > 1 ? id : prefix;
		r = ztsdb_register(db, issue);
	}
	return r == 0 ? ztsdb_commit(db) : r;
}

static int shorten(const char *path)
{
	sqlite3 *raw = NULL;
	int r = sqlite3_open(path, &raw);

	if (r == SQLITE_OK) /* which makes it open the log */
		r = sqlite3_exec(raw, "SELECT count(*) FROM instance", NULL, NULL, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_wal_checkpoint_v2(raw, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	sqlite3_close(raw);
	return r;
}

int main(int argc, char **argv)
{
	struct ztsdb_issue issue = { .addr = "2001:db8::1",
				     .now_wall = NOW,
				     .expires_wall = NOW + 3600 };
	int r;

	if (argc != 2 && argc != 7 && argc != 8)
		return 64;
	if (argc > 2) {
		issue.key = (struct ztsdb_key){ argv[2], argv[3], argv[4], argv[5] };
		issue.serial = argv[6];
		r = make(argv[1], &issue, argc == 8 ? strtoul(argv[7], NULL, 10) : 1);
	} else {
		r = shorten(argv[1]);
	}
	if (r != 0)
		fprintf(stderr, "mkrecord: %d\n", r);
	return r != 0;
}
