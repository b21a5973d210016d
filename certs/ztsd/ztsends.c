/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/ztsends.h"

#include <errno.h>
#include <openssl/asn1.h>
#include <openssl/x509.h>
#include <time.h>

static int ztsends_read_time(const ASN1_TIME *time, uint64_t *ret)
{
	struct tm tm;
	time_t wall = ASN1_TIME_to_tm(time, &tm) == 1 ? timegm(&tm) : -1;

	if (wall < 0)
		return -EINVAL;
	*ret = (uint64_t)wall;
	return 0;
}

int ztsends_read(const X509 *cert, struct ztsends *ret)
{
	struct ztsends e;

	if (ztsends_read_time(X509_get0_notBefore(cert), &e.begins_wall) < 0 ||
	    ztsends_read_time(X509_get0_notAfter(cert), &e.ends_wall) < 0)
		return -EINVAL;
	*ret = e;
	return 0;
}

/* With less than that left the end is soon. */
static uint64_t ztsends_soon(const struct ztsends *e)
{
	uint64_t life = e->ends_wall > e->begins_wall ? e->ends_wall - e->begins_wall : 0;

	return life / 4 < ZTSENDS_SOON_S ? life / 4 : ZTSENDS_SOON_S;
}

enum ztsends_word ztsends_judge(const struct ztsends *e, uint64_t now_wall)
{
	if (now_wall >= e->ends_wall)
		return ZTSENDS_OVER;
	return e->ends_wall - now_wall < ztsends_soon(e) ? ZTSENDS_SOON : ZTSENDS_FAR;
}

uint64_t ztsends_wait(const struct ztsends *e, uint64_t now_wall)
{
	uint64_t soon = ztsends_soon(e), left = e->ends_wall - now_wall;

	if (now_wall >= e->ends_wall)
		return UINT64_MAX;
	return left < soon || !soon ? left : left - soon + 1;
}
