/* SPDX-License-Identifier: MIT */
#include "netpolicy/cli/clijson.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

#define CLIJSON_FLAGS (JSON_INDENT(2) | JSON_SORT_KEYS)

int clijson_print(json_t *root, FILE *to)
{
	int r = !root ? -ENOMEM : json_dumpf(root, to, CLIJSON_FLAGS) < 0 ? -EIO : 0;

	json_decref(root);
	if (r == 0 && (fputc('\n', to) == EOF || fflush(to)))
		r = -EIO;
	if (r < 0)
		log_error("cannot print the answer: %s", strerror(-r));
	return r;
}

int clijson_bytes(const json_t *root, char **ret, size_t *ret_len)
{
	char *text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII) :
			    NULL;
	size_t len = text ? strlen(text) : 0;
	char *bytes = text ? realloc(text, len + 2) : NULL;

	if (!bytes) {
		free(text);
		return -ENOMEM;
	}
	bytes[len] = '\n';
	bytes[len + 1] = '\0';
	*ret = bytes;
	*ret_len = len + 1;
	return 0;
}

json_t *clijson_names(const char (*names)[IFNAMSIZ], size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(names[i]));
	return list;
}

json_t *clijson_lines(const char *text)
{
	json_t *list = json_array();

	while (text && *text) {
		size_t n = strcspn(text, "\n");

		json_array_append_new(list, json_stringn(text, n));
		text += n + (text[n] == '\n');
	}
	return list;
}

int clijson_check(const struct clicheck *what, FILE *to)
{
	const struct applier_result *result = &what->result;

	return clijson_print(json_pack("{ss sb sI sI so so so}", "about", what->about, "equal",
				       what->code == 0, "code", (json_int_t)what->pst,
				       "differences", (json_int_t)result->diff.n, "lines",
				       clijson_lines(result->diff.lines.text), "guards_pending",
				       clijson_names(result->pending, result->n_pending), "foreign",
				       clijson_lines(what->foreign.text)),
			     to);
}
