/* SPDX-License-Identifier: MIT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tunneld/proto/exresp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken can be written and comes back the same; then as the body of a refusal. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct offer offer, again;
	struct exresp_error error;
	char *text = NULL, *text_again = NULL;
	enum pst code;

	if (exresp_decode_error((const char *)data, size, &error) == 0 && !pst_find(error.code))
		abort();
	if (exresp_decode((const char *)data, size, &offer, &code) < 0)
		return 0;
	if (exresp_encode(&offer, &text) < 0 ||
	    exresp_decode(text, strlen(text), &again, &code) < 0 ||
	    exresp_encode(&again, &text_again) < 0 || strcmp(text, text_again) != 0)
		abort();
	free(text);
	free(text_again);
	return 0;
}
