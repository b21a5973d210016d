/* SPDX-License-Identifier: MIT */
#pragma once

/* What a program says on standard error, for a test to look at. One capture at a time. */

/* From now on standard error goes to a file. Ends the program when that is not possible. */
void capture_begin(void);

/* Standard error goes where it went before. Returns what was said, at most 64 KiB of it, until the
 * next capture. */
const char *capture_end(void);
