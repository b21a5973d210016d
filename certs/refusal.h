/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The code of a connection that our HTTPS listener ended before there was a request.
 */
#include "common/httpsd.h"
#include "common/pst.h"

/* Gives PST-1003, PST-1101, PST-1111, PST-1112, PST-5007, or what peerid_verify_code() says of the
 * client's certificate. Borrows @refused. */
enum pst refusal_code(const struct httpsd_refused *refused);
