/* SPDX-License-Identifier: MIT */
#include "common/bootid.h"

#include <errno.h>
#include <string.h>

#include "common/files.h"

#define BOOTID_PATH "/proc/sys/kernel/random/boot_id"
#define BOOTID_FILE_MAX 64 /* a container may show a file of its own, with a line end or without */

int bootid_read(char ret[static BOOTID_MAX])
{
	_cleanup_(files_freep) uint8_t *text = NULL;
	size_t len;
	int r = files_read(BOOTID_PATH, BOOTID_FILE_MAX, &text, &len);

	if (r < 0)
		return r;
	if (len < BOOTID_MAX - 1)
		return -EBADMSG;
	memcpy(ret, text, BOOTID_MAX - 1);
	ret[BOOTID_MAX - 1] = '\0';
	return 0;
}
