/* SPDX-License-Identifier: MIT */
/* netpolicy/parse/policyjson: the input is a policy in JSON. What is accepted has a canonical form
 * that is read back to the same bytes, the same digest, and a page of the same digest. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netpolicy/parse/policyfmt.h"
#include "netpolicy/parse/policyjson.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

static int find_user(const char *name, uint32_t *ret)
{
	*ret = 1000 + (uint32_t)strlen(name);
	return name[0] == 'x' ? -ENOENT : 0;
}

/* As the users of @p are: a page knows no other numbers. */
static const struct policy *known;

static int find_known(const char *name, uint32_t *ret)
{
	for (size_t i = 0; i < known->n_users; i++)
		if (!strcmp(known->users[i].name, name)) {
			*ret = known->users[i].uid;
			return 0;
		}
	return -ENOENT;
}

/* A page says nothing of enforcement. */
static void check_page(struct policy *p)
{
	struct buf page = buf_init(POLICYFILE_BYTES_MAX);
	struct policyfile_error error;
	struct policy *again = NULL;
	char a[65], b[65];

	p->enforce = true;
	known = p;
	check(policyfmt_policy(p, &page) == 0);
	check(policyfile_load_text("page", page.text, find_known, &again, &error) == 0);
	check(policyjson_digest(p, a) == 0 && policyjson_digest(again, b) == 0 && !strcmp(a, b));
	policy_free(again);
	buf_release(&page);
}

static void check_policy(struct policy *p)
{
	struct buf first = buf_init(POLICYJSON_BYTES_MAX), second = buf_init(POLICYJSON_BYTES_MAX);
	struct policyfile_error error;
	struct policy *again = NULL;

	check(policyjson_write(p, &first) == 0);
	check(policyjson_read(first.text, first.len, NULL, &again, &error) == 0);
	check(policyjson_write(again, &second) == 0 && !strcmp(first.text, second.text));
	check_page(p);
	policy_free(again);
	buf_release(&first);
	buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct policyfile_error error = { "" };
	struct policy *p = NULL;

	if (policyjson_read(data, size, find_user, &p, &error) == 0)
		check_policy(p);
	else
		check(error.text[0] && memchr(error.text, '\0', sizeof(error.text)));
	policy_free(p);
	return 0;
}
