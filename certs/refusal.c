/* SPDX-License-Identifier: MIT */
#include "certs/refusal.h"

#include "certs/peerid.h"

enum pst refusal_code(const struct httpsd_refused *refused)
{
	switch (refused->why) {
	case HTTPSD_REFUSED_TLS:
		return PST_TLS_HANDSHAKE;
	case HTTPSD_REFUSED_VERIFY:
		return peerid_verify_code(refused->verify_error);
	case HTTPSD_REFUSED_NO_CERT:
		return PST_CERT_MISSING;
	case HTTPSD_REFUSED_SLOW:
		return PST_SLOW_REQUEST;
	case HTTPSD_REFUSED_CROWD:
		return PST_RATE_LIMITED;
	case HTTPSD_REFUSED_TOO_LARGE:
		return PST_BODY_TOO_LARGE;
	case HTTPSD_REFUSED_HTTP:
		return PST_HTTP_REQUEST;
	case HTTPSD_REFUSED_STUCK:
		return PST_CONNECTION_STUCK;
	}
	return PST_TLS_HANDSHAKE;
}
