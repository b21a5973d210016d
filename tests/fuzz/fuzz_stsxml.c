/* SPDX-License-Identifier: MIT */
/* The XML that STS, or whoever stands in its place, answers with. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "certs/stsxml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const paths[] = {
		"AssumeRoleResponse/AssumeRoleResult/Credentials/AccessKeyId",
		"ErrorResponse/Error/Code",
		"a/b",
	};

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		char text[STSXML_TEXT_MAX];
		int r = stsxml_find((const char *)data, size, paths[i], text, sizeof(text));

		if (r != 0 && r != -ENOENT && r != -EBADMSG && r != -ENOMEM)
			abort();
		if (r != 0)
			continue;
		if (!memchr(text, '\0', sizeof(text)) || text[0] == '\0')
			abort();
		for (const char *c = text; *c; c++) {
			if (*c < ' ' || *c > '~')
				abort();
		}
	}
	return 0;
}
