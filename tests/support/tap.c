/* SPDX-License-Identifier: MIT */
#include "tests/support/tap.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	TAP_MESSAGE_MAX = 512, /* bytes of one message of tap_fail() */
};

static struct {
	const char *pattern;
	const char *skip_reason;
	uint64_t seed;
	uint64_t random_state;
	uint64_t started_ns;
	unsigned int asserts_before;
	unsigned int n_selected;
	unsigned int n_run;
	unsigned int n_failed;
	pid_t pid;
	bool is_list;
	bool is_verbose;
	bool is_running;
} tap;

static uint64_t tap_now_ns(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t tap_random(void)
{
	uint64_t z = (tap.random_state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t tap_random_below(uint64_t limit)
{
	return limit == 0 ? 0 : tap_random() % limit;
}

void tap_random_fill(void *bytes, size_t n_bytes)
{
	unsigned char *out = bytes;

	for (size_t i = 0; i < n_bytes; i++)
		out[i] = (unsigned char)tap_random();
}

/* FNV-1a over the name, so that a test draws the same numbers alone and among others. */
static void tap_random_restart(const char *suite, const char *test)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (const char *c = suite; *c != '\0'; c++)
		hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	for (const char *c = test; *c != '\0'; c++)
		hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
	tap.random_state = tap.seed ^ hash;
}

void tap_skip(const char *reason)
{
	tap.skip_reason = reason;
}

void tap_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)printf("# ");
	(void)vprintf(format, args);
	(void)printf("\n");
	va_end(args);
}

void tap_fail(const char *file, unsigned int line, const char *format, ...)
{
	char message[TAP_MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	(void)CU_assertImplementation(CU_FALSE, line, message, file, "", CU_FALSE);
}

static void tap_on_start(const CU_pTest test, const CU_pSuite suite)
{
	tap_random_restart(suite->pName, test->pName);
	tap.skip_reason = NULL;
	tap.asserts_before = CU_get_number_of_asserts();
	tap.started_ns = tap_now_ns();
}

static void tap_print_failures(const CU_pTest test, const CU_pFailureRecord first)
{
	for (CU_pFailureRecord f = first; f != NULL; f = f->pNext) {
		if (f->pTest == test)
			tap_note("%s:%u: %s", f->strFileName ? f->strFileName : "?",
				 f->uiLineNumber, f->strCondition ? f->strCondition : "?");
	}
}

static void tap_on_complete(const CU_pTest test, const CU_pSuite suite,
			    const CU_pFailureRecord first)
{
	unsigned int n_asserts = CU_get_number_of_asserts() - tap.asserts_before;
	bool is_empty = n_asserts == 0 && tap.skip_reason == NULL;
	bool is_failed = first != NULL || is_empty;

	tap.n_run++;
	tap.n_failed += is_failed;
	(void)printf("%s %u - %s: %s", is_failed ? "not ok" : "ok", tap.n_run, suite->pName,
		     test->pName);
	if (!is_failed && tap.skip_reason != NULL)
		(void)printf(" # SKIP %s", tap.skip_reason);
	(void)printf("\n");
	tap_print_failures(test, first);
	if (is_empty)
		tap_note("the test made no assertion");
	if (tap.is_verbose)
		tap_note("%u assertions, %.3f ms", n_asserts,
			 (double)(tap_now_ns() - tap.started_ns) / 1e6);
}

static bool tap_is_selected(const char *suite, const char *test)
{
	char full[TAP_MESSAGE_MAX];

	if (tap.pattern == NULL)
		return true;
	(void)snprintf(full, sizeof(full), "%s: %s", suite, test);
	return strstr(full, tap.pattern) != NULL;
}

static int tap_add_suite(const struct tap_suite *suite)
{
	CU_pSuite added = CU_add_suite_with_setup_and_teardown(suite->name, NULL, NULL,
							       suite->setup, suite->teardown);

	if (added == NULL)
		return -EINVAL;
	for (const struct tap_test *test = suite->tests; test->name != NULL; test++) {
		if (!tap_is_selected(suite->name, test->name))
			continue;
		if (CU_add_test(added, test->name, test->run) == NULL)
			return -EINVAL;
		tap.n_selected++;
		if (tap.is_list)
			(void)printf("%s: %s\n", suite->name, test->name);
	}
	return 0;
}

/* CUnit accepts a name twice and only says so in its error state. */
static int tap_register(const struct tap_suite *suites)
{
	for (const struct tap_suite *suite = suites; suite->name != NULL; suite++) {
		if (tap_add_suite(suite) < 0 || CU_get_error() != CUE_SUCCESS) {
			(void)fprintf(stderr, "tap: suite '%s': %s\n", suite->name,
				      CU_get_error_msg());
			return -EINVAL;
		}
	}
	return 0;
}

/* A test that calls exit(0) must not make the program look green. */
static void tap_on_exit(void)
{
	if (!tap.is_running || getpid() != tap.pid)
		return;
	(void)printf("Bail out! a test ended the program\n");
	(void)fflush(stdout);
	_exit(1);
}

static int tap_run(void)
{
	tap.pid = getpid();
	(void)atexit(tap_on_exit);
	(void)printf("1..%u\n# seed %" PRIu64 "\n", tap.n_selected, tap.seed);
	CU_set_test_start_handler(tap_on_start);
	CU_set_test_complete_handler(tap_on_complete);
	tap.is_running = true;
	(void)CU_run_all_tests();
	tap.is_running = false;
	if (tap.n_run == 0)
		tap_note("no test ran");
	return tap.n_failed == 0 && tap.n_run > 0 && tap.n_run == tap.n_selected ? 0 : 1;
}

static int tap_usage(const char *program)
{
	(void)fprintf(stderr, "usage: %s [-l] [-v] [-k pattern] [-s seed]\n", program);
	return 2;
}

static int tap_parse_seed(const char *text)
{
	char *end = NULL;

	errno = 0;
	tap.seed = strtoull(text, &end, 0);
	return errno != 0 || end == text || *end != '\0' ? -EINVAL : 0;
}

static int tap_parse_option(int option)
{
	switch (option) {
	case 'k':
		tap.pattern = optarg;
		return 0;
	case 'l':
		tap.is_list = true;
		return 0;
	case 's':
		return tap_parse_seed(optarg);
	case 'v':
		tap.is_verbose = true;
		return 0;
	default:
		return -EINVAL;
	}
}

static int tap_parse(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "k:ls:v")) != -1) {
		if (tap_parse_option(option) < 0)
			return -EINVAL;
	}
	return optind == argc ? 0 : -EINVAL;
}

int tap_main(int argc, char **argv, const struct tap_suite *suites)
{
	int status;

	/* Whole lines, so that a child forked by a test inherits an empty buffer. */
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	tap.seed = tap_now_ns();
	if (tap_parse(argc, argv) < 0)
		return tap_usage(argv[0]);
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 1;
	if (tap_register(suites) < 0)
		status = 1;
	else if (tap.is_list)
		status = tap.n_selected > 0 ? 0 : 1;
	else
		status = tap_run();
	CU_cleanup_registry();
	return status;
}
