/* SPDX-License-Identifier: MIT */
#include "tests/unit/netpolicy/parse/pagetry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "tests/support/tap.h"

int pagetry_user(const char *name, uint32_t *ret)
{
	static const struct {
		const char *name;
		uint32_t uid;
	} users[] = {
		{ "root", 0 }, { "postern-certd", 998 }, { "app", 1001 }, { "archive", 1002 }
	};

	for (size_t i = 0; i < ARRAY_SIZE(users); i++)
		if (!strcmp(users[i].name, name)) {
			*ret = users[i].uid;
			return 0;
		}
	return strcmp(name, "broken") ? -ENOENT : -EIO;
}

static int pagetry_read(const char *page, const char *more, struct policy **ret,
			struct policyfile_error *ret_error)
{
	_cleanup_(buf_release) struct buf text = buf_init(16 * 1024 * 1024);

	buf_add(&text, page);
	buf_add(&text, more);
	return policyfile_load_text("policy.conf", text.text ? text.text : "", pagetry_user, ret,
				    ret_error);
}

struct policy *pagetry_load(const char *more)
{
	struct policyfile_error error = { "" };
	struct policy *p = NULL;

	if (pagetry_read(PAGETRY_BASE, more, &p, &error) < 0)
		tap_fail(__FILE__, __LINE__, "not read: %s", error.text);
	return p;
}

static const char *pagetry_text(const char *page, const char *more)
{
	static struct policyfile_error error;
	struct policy *p = NULL;

	if (pagetry_read(page, more, &p, &error) == 0)
		error.text[0] = '\0';
	policy_free(p);
	return error.text;
}

const char *pagetry_error(const char *more)
{
	return pagetry_text(PAGETRY_BASE, more);
}

const char *pagetry_page_error(const char *page)
{
	return pagetry_text(page, "");
}
