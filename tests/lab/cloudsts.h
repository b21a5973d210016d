/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A minimal STS: AssumeRole, GetWebIdentityToken, GetCallerIdentity, with the signature of each
 * request checked. Source: AWS STS API reference; athenz.md, section 3.4.
 */
#include "tests/lab/cloud.h"

/* Answers one request. Takes @call. */
void cloudsts_handle(struct cloud_call *call);
