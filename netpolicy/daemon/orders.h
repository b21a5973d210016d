/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What root asks of netpolicyd over its socket, carried out.
 */
#include "netpolicy/apply/ctlwire.h"

#define ORDERS_CONFIRM_MAX_S 86400 /* a policy may wait for confirmation for so long */

/* Carries @q out for the warden @user and fills *answer, whose op is set. A ctlsock_answer_fn. */
void orders_answer(void *user, const struct ctlwire_request *q, struct ctlwire_answer *answer);
