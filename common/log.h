/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Log lines on standard error. When that is the journal (JOURNAL_STREAM names it) each line starts
 * with the "<N>" priority that the journal understands, else with the program and the level. Only
 * main programs and the files that drive them log; every layer below returns its error. Lines of
 * one code beyond LOG_BURST in LOG_WINDOW_S are counted; the first line after the window says how
 * many were suppressed.
 */
#include <stdbool.h>

#include "common/attr.h"
#include "common/pst.h"

#define LOG_LINE_MAX 1024 /* bytes of one line; longer ones are cut with "..." */
#define LOG_BURST 20      /* lines of one PST code in a window before suppression */
#define LOG_WINDOW_S 10

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
};

/* Sets the program name shown in every line and the highest level that is printed.
 * @program: kept, must stay valid. */
void log_open(const char *program, enum log_level max);

/* Writes one line; control characters are escaped. errno is left alone. */
void log_line(enum log_level level, const char *fmt, ...) _printf_(2, 3);

/* Writes one line that starts with the message code "PST-NNNN: "; rate limited per code. */
void log_pst(enum log_level level, enum pst code, const char *fmt, ...) _printf_(3, 4);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)
