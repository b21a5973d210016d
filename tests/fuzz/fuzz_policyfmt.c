/* SPDX-License-Identifier: MIT */
/* netpolicy/parse/policyfmt: the input is a page of policy. Whatever can be formatted formats to
 * itself; a page that can be read reads to the same model, line by line, before and after. */
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

/* The canonical form of a page; false when it cannot be read. */
static bool canonical(const char *page, struct buf *to)
{
	struct policyfile_error error;
	struct policy *p = NULL;
	bool is_page = policyfile_load_text("policy.conf", page, find_user, &p, &error) == 0;

	if (is_page)
		check(policyjson_write(p, to) == 0);
	policy_free(p);
	return is_page;
}

static void check_text(const char *text)
{
	struct buf out = buf_init(1 << 22), again = buf_init(1 << 22);
	struct buf before = buf_init(POLICYJSON_BYTES_MAX), after = buf_init(POLICYJSON_BYTES_MAX);
	struct policyfile_error error = { "" };
	bool is_page = canonical(text, &before);

	if (policyfmt_text("policy.conf", text, &out, &error) == 0) {
		const char *formatted = out.text ? out.text : "";

		check(policyfmt_text("policy.conf", formatted, &again, &error) == 0);
		check(!strcmp(formatted, again.text ? again.text : ""));
		check(canonical(formatted, &after) == is_page);
		check(!is_page || !strcmp(before.text, after.text));
	} else {
		check(error.text[0] && !is_page);
	}
	buf_release(&out);
	buf_release(&again);
	buf_release(&before);
	buf_release(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	check(text != NULL);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	check_text(text);
	free(text);
	return 0;
}
