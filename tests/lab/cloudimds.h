/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Instance metadata, version 2 only, with its rules: a token is asked for with PUT and sent with
 * each GET. Source: AWS, "Instance metadata options"; athenz.md, section 3.3.
 */
#include "tests/lab/cloud.h"

/* Answers one request of an instance. Takes @call. */
void cloudimds_handle(struct cloud_call *call);
