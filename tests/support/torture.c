/* SPDX-License-Identifier: MIT */
#include "tests/support/torture.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/tap.h"

static struct {
	size_t left; /* allocations before the one that fails */
	bool is_armed;
	bool is_fired;
} torture_state;

static bool torture_fails(void)
{
	if (!torture_state.is_armed || torture_state.is_fired)
		return false;
	if (torture_state.left > 0) {
		torture_state.left--;
		return false;
	}
	torture_state.is_fired = true;
	errno = ENOMEM;
	return true;
}

void torture_arm(size_t site)
{
	torture_state.left = site;
	torture_state.is_fired = false;
	torture_state.is_armed = true;
}

bool torture_disarm(void)
{
	torture_state.is_armed = false;
	return torture_state.is_fired;
}

size_t torture(int (*run)(void *ctx), void *ctx)
{
	for (size_t site = 0; site < TORTURE_SITES_MAX; site++) {
		int r;

		torture_arm(site);
		r = run(ctx);
		if (!torture_disarm()) {
			if (r != 0)
				tap_fail(__FILE__, __LINE__, "nothing failed, result %d", r);
			CU_PASS("every site was tried");
			return site;
		}
		if (r >= 0)
			tap_fail(__FILE__, __LINE__, "allocation %zu failed, result %d", site, r);
	}
	tap_fail(__FILE__, __LINE__, "no end after %d sites", TORTURE_SITES_MAX);
	return TORTURE_SITES_MAX;
}

/* The linker sends every call of X in our objects to __wrap_X, and __real_X to the library. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t n);
int __real_vasprintf(char **ret, const char *format, va_list args);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);
int __wrap_vasprintf(char **ret, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));
int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap___vasprintf_chk(char **ret, int flag, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

void *__wrap_malloc(size_t size)
{
	return torture_fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return torture_fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return torture_fails() ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	return torture_fails() ? NULL : __real_reallocarray(old, n, size);
}

char *__wrap_strdup(const char *text)
{
	return torture_fails() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t n)
{
	return torture_fails() ? NULL : __real_strndup(text, n);
}

int __wrap_vasprintf(char **ret, const char *format, va_list args)
{
	return torture_fails() ? -1 : __real_vasprintf(ret, format, args);
}

int __wrap_asprintf(char **ret, const char *format, ...)
{
	va_list args;
	int r;

	va_start(args, format);
	r = __wrap_vasprintf(ret, format, args);
	va_end(args);
	return r;
}

/* What _FORTIFY_SOURCE makes of the two; the flag only asks for checks of %n. */
int __wrap___vasprintf_chk(char **ret, int flag, const char *format, va_list args)
{
	(void)flag;
	return __wrap_vasprintf(ret, format, args);
}

int __wrap___asprintf_chk(char **ret, int flag, const char *format, ...)
{
	va_list args;
	int r;

	(void)flag;
	va_start(args, format);
	r = __wrap_vasprintf(ret, format, args);
	va_end(args);
	return r;
}
