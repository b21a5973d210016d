/* SPDX-License-Identifier: MIT */
/* The deny-list: the input is the file. Each entry of a list that is accepted is found, as a reader
 * of our own sees it; a list that is refused says why in one line. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "certs/denylist.h"

#define LINE_MAX_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* Gives whether the line is an entry; then it must be in the list. */
static bool check_line(const struct denylist *d, char *line)
{
	char *save = NULL;
	char *word, *value;

	line[strcspn(line, "#")] = '\0';
	word = strtok_r(line, " \t\r", &save);
	value = strtok_r(NULL, " \t\r", &save);
	if (!word || !value)
		return false;
	check(denylist_has(d, strcmp(word, "principal") ? "" : value,
			   strcmp(word, "instance") ? "" : value,
			   strcmp(word, "serial") ? "" : value));
	return true;
}

static void check_list(const struct denylist *d, const uint8_t *data, size_t size)
{
	char line[LINE_MAX_BYTES + 1];
	size_t n = 0, len = 0;

	for (size_t i = 0; i <= size; i++) {
		check(len < LINE_MAX_BYTES);
		line[len++] = i < size ? (char)data[i] : '\n';
		if (line[len - 1] != '\n')
			continue;
		line[len - 1] = '\0';
		n += check_line(d, line);
		len = 0;
	}
	check(denylist_size(d) == n);
	check(!denylist_has(d, "not,listed", "not,listed", "not listed"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char error[DENYLIST_ERROR_MAX] = "";
	struct denylist *d = NULL;
	int r;

	if (size >= LINE_MAX_BYTES)
		return 0;
	r = denylist_parse("fuzz", (const char *)data, size, &d, error);
	check(r == 0 || r == -EINVAL);
	if (r == 0)
		check_list(d, data, size);
	else
		check(!d && error[0] && !strpbrk(error, "\n\r\x1b\x7f"));
	denylist_free(d);
	return 0;
}
