/* SPDX-License-Identifier: MIT */
/* The deny-list from the probe to the keeper: datagrams, each behind two bytes with its length. A
 * list that is whole is what its own text says, line by line. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tunneld/gateway/denyfeed.h"

#define LIST_MAX_BYTES 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static void check_again(const struct denylist *d)
{
	static const char *const words[] = { "principal", "instance", "serial" };
	static char text[LIST_MAX_BYTES];
	char error[DENYLIST_ERROR_MAX];
	struct denylist *again = NULL;
	size_t len = 0;

	for (size_t i = 0; i < denylist_size(d); i++) {
		const struct denylist_entry *e = denylist_at(d, i);

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s %s\n", words[e->kind],
					e->value);
		check(len < sizeof(text));
	}
	check(denylist_parse("fuzz", text, len, &again, error) == 0);
	check(denylist_size(again) == denylist_size(d));
	for (size_t i = 0; i < denylist_size(d); i++)
		check(denylist_at(d, i)->kind == denylist_at(again, i)->kind &&
		      !strcmp(denylist_at(d, i)->value, denylist_at(again, i)->value));
	denylist_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct chan_msg msg;
	struct denyfeed f = { 0 };
	size_t n_ops;
	const struct chan_op *ops = denyfeed_ops(&n_ops);
	int r = 0;

	while (r == 0 && size >= 2 && !denyfeed_is_whole(&f)) {
		size_t len = (size_t)data[0] | (size_t)data[1] << 8;

		data += 2;
		size -= 2;
		len = len < size ? len : size;
		r = chan_parse(data, len, ops, n_ops, 0, &msg);
		if (r == 0)
			r = denyfeed_decode(&f, &msg);
		data += len;
		size -= len;
	}
	if (r == 0 && denyfeed_is_whole(&f))
		check_again(f.list);
	denyfeed_reset(&f);
	return 0;
}
