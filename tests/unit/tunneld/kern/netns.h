/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A network namespace of its own for each test that needs a real kernel, and stock tools in it.
 * Nothing of it is left when the test program ends.
 */
#include <stdbool.h>

/* Moves the process into a new, empty network namespace with lo up. False when it may not (the
 * running test is skipped then): the test returns at once. */
bool netns_fresh(void);

/* Runs a shell command; a failure fails the test. */
void netns_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Runs many "ip" commands, one for each number below @n, in one process; @format has one %u. */
void netns_batch(unsigned int n, const char *format);

/* Gives the output of a shell command, blanks at line ends left out; freed by the caller. */
char *netns_output(const char *command);

/* Fails the test unless netns_output() of the command is @wanted. */
#define netns_expect(command, wanted) netns_expect_at(__FILE__, __LINE__, command, wanted)
/* As netns_expect(), for a given place. */
void netns_expect_at(const char *file, unsigned int line, const char *command, const char *wanted);
