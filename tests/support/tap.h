/* SPDX-License-Identifier: MIT */
#pragma once

/* TAP driver for CUnit: a test program declares its suites as tables and main() hands them to
 * tap_main(). CUnit's own runners report the state of the framework, not of the tests, so this one
 * counts failures itself. A test that makes no assertion is a failure too: it could never fail.
 * Not for benchmarks and not for threads. Source: https://testanything.org/tap-specification.html
 *
 * Fatal assertions (CU_ASSERT_*_FATAL) leave by longjmp and skip cleanup attributes: use them only
 * before the first owned object. */

#include <stddef.h>
#include <stdint.h>

#include <CUnit/CUnit.h>

struct tap_test {
	const char *name; /* unique in its suite, without '#' */
	void (*run)(void);
};

struct tap_suite {
	const char *name;
	const struct tap_test *tests; /* ends with an empty row */
	void (*setup)(void);          /* before every test, may be NULL */
	void (*teardown)(void);       /* after every test, may be NULL */
};

/* Runs the suites of the table, which ends with an empty row, and prints TAP on standard output.
 * Options: -k PATTERN (only tests whose "suite: name" contains it), -l (list), -s SEED, -v.
 * Returns the exit status of the program: 0 when at least one test ran and none failed, 1
 * otherwise, 2 for wrong usage. */
int tap_main(int argc, char **argv, const struct tap_suite *suites);

/* Marks the running test as skipped; the test returns right after it. Borrows @reason until the
 * test has ended. */
void tap_skip(const char *reason);

/* Prints one diagnostic line ("# ..."), which is seen with the result of the running test. */
void tap_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Fails the running test with a message of our own, without ending it. @file is a literal. */
void tap_fail(const char *file, unsigned int line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The next 64 pseudo-random bits. The sequence depends only on the seed of the run, which is
 * printed, and on the name of the test: "-s SEED -k NAME" repeats it exactly. Source: splitmix64,
 * Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014. */
uint64_t tap_random(void);

/* A pseudo-random number in 0 … @limit - 1, 0 when @limit is 0. */
uint64_t tap_random_below(uint64_t limit);

/* Fills @bytes with @n_bytes pseudo-random bytes. */
void tap_random_fill(void *bytes, size_t n_bytes);
