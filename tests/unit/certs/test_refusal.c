/* SPDX-License-Identifier: MIT */
#include <openssl/x509_vfy.h>

#include "certs/refusal.h"
#include "common/attr.h"
#include "tests/support/tap.h"

static void test_codes(void)
{
	static const struct {
		struct httpsd_refused refused;
		enum pst code;
	} cases[] = {
		{ { .why = HTTPSD_REFUSED_TLS }, PST_TLS_HANDSHAKE },
		{ { .why = HTTPSD_REFUSED_VERIFY, .verify_error = X509_V_ERR_CERT_HAS_EXPIRED },
		  PST_CERT_EXPIRED },
		{ { .why = HTTPSD_REFUSED_VERIFY,
		    .verify_error = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY },
		  PST_CERT_UNTRUSTED },
		{ { .why = HTTPSD_REFUSED_NO_CERT }, PST_CERT_MISSING },
		{ { .why = HTTPSD_REFUSED_SLOW }, PST_SLOW_REQUEST },
		{ { .why = HTTPSD_REFUSED_CROWD }, PST_RATE_LIMITED },
		{ { .why = HTTPSD_REFUSED_TOO_LARGE }, PST_BODY_TOO_LARGE },
		{ { .why = HTTPSD_REFUSED_HTTP }, PST_HTTP_REQUEST },
		{ { .why = HTTPSD_REFUSED_STUCK }, PST_CONNECTION_STUCK },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		CU_ASSERT_EQUAL(refusal_code(&cases[i].refused), cases[i].code);
}

static const struct tap_test tests[] = {
	{ "each way to be refused has its code", test_codes },
	{ 0 },
};

int main(int argc, char **argv)
{
	static const struct tap_suite suites[] = { { "refusal", tests, NULL, NULL }, { 0 } };

	return tap_main(argc, argv, suites);
}
