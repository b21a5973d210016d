/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An attestor that does what the evidence says, in place of certs/ztsd/attestor.c: "ok", "later"
 * (ok in a later turn of the loop), "refuse" (or nothing), "timeout", "fail", and "hold", which
 * waits until the attestor is closed.
 */
#include <stddef.h>

/* DNS and IP names of the last claim, each followed by a blank. Static. */
const char *fakeattestor_dns(void);
/* As fakeattestor_dns(). */
const char *fakeattestor_ips(void);
/* The rest of the last claim: "register prov.tok dom.a.svc i-01 account 123456789012". Static. */
const char *fakeattestor_claim(void);
