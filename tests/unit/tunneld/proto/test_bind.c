/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <string.h>

#include "tests/support/tap.h"
#include "tunneld/proto/bind.h"

static struct ip6_prefix test_bind_prefix(const char *text)
{
	struct ip6_prefix p = { .len = 255 };

	CU_ASSERT_EQUAL(ip6_parse_prefix(text, &p), 0);
	return p;
}

/* Made with hashlib of Python from the text of the protocol page. The last two
 * had the universal bit set in the hash and hold nearly the same characters, split otherwise. */
static void test_bind_address_known_answers(void)
{
	static const struct {
		const char *prefix, *zone, *provider, *instance, *address;
	} rows[] = {
		{ "fd12:3456:789a:1::/64", "prod.aws-us-east-1c", "athenz.aws.us-east-1",
		  "i-0123456789abcdef0", "fd12:3456:789a:1:e5c9:b15d:c744:175a" },
		{ "2001:db8:1:2::/64", "z", "p", "i", "2001:db8:1:2:5d1:de5a:2b35:5f9c" },
		{ "fd12:3456:789a:1::/64", "a", "b", "c", "fd12:3456:789a:1:fd9e:366b:f49a:7eaa" },
		{ "fd12:3456:789a:1::/64", "ab", "", "c", "fd12:3456:789a:1:716a:d858:8442:a594" },
		{ "fd12:3456:789a:1::/64", "a", "bb", "c", "fd12:3456:789a:1:780d:ead2:509a:1528" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ip6_prefix prefix = test_bind_prefix(rows[i].prefix);
		struct in6_addr addr = { 0 };
		char text[IP6_ADDR_TEXT];

		CU_ASSERT_EQUAL(bind_address(&prefix, rows[i].zone, rows[i].provider,
					     rows[i].instance, &addr),
				0);
		CU_ASSERT_STRING_EQUAL(ip6_format_addr(&addr, text), rows[i].address);
	}
}

static void test_bind_address_needs_a_64(void)
{
	static const uint8_t bad[] = { 0, 63, 65, 128 };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct ip6_prefix prefix = { .len = bad[i] };
		struct in6_addr addr = { .s6_addr = { 7 } };

		CU_ASSERT_EQUAL(bind_address(&prefix, "z", "p", "i", &addr), -EINVAL);
		CU_ASSERT_EQUAL(addr.s6_addr[0], 7);
	}
}

static struct bind_psk_input test_bind_input(uint64_t epoch)
{
	struct bind_psk_input in = { .epoch = epoch };

	memset(in.host_key.bytes, 0x11, WGKEY_BYTES);
	memset(in.gateway_key.bytes, 0x22, WGKEY_BYTES);
	CU_ASSERT_EQUAL(ip6_parse_addr("fd12:3456:789a:1::7", &in.host_addr), 0);
	return in;
}

/* Made with hmac of Python. */
static void test_bind_psk_known_answers(void)
{
	static const struct secret first = { {
		0xeb, 0xbf, 0x82, 0xcb, 0xaa, 0x6c, 0x7e, 0x1b, 0xb5, 0x78, 0xbb,
		0x9d, 0x87, 0x3a, 0x2d, 0xd0, 0xa2, 0xe8, 0xd2, 0xc1, 0x2d, 0x83,
		0xcd, 0x45, 0xc4, 0x85, 0x8f, 0x7b, 0xce, 0x8b, 0xeb, 0x94,
	} };
	static const struct secret second = { {
		0x98, 0x30, 0xcb, 0xf7, 0x14, 0x89, 0x82, 0xcb, 0xad, 0x49, 0xc8,
		0x1f, 0x14, 0x5f, 0xa5, 0xad, 0xa9, 0x01, 0x44, 0x4f, 0xbe, 0x67,
		0xc6, 0x38, 0xe6, 0x92, 0x1b, 0xd9, 0x87, 0x54, 0x97, 0x88,
	} };
	struct bind_psk_input in = test_bind_input(1760000000);
	struct secret exported, psk;

	for (unsigned int i = 0; i < SECRET_BYTES; i++)
		exported.bytes[i] = (uint8_t)i;
	CU_ASSERT_EQUAL(bind_psk(&exported, &in, &psk), 0);
	CU_ASSERT_TRUE(secret_equal(&psk, &first));
	in = test_bind_input(UINT64_C(0x0102030405060708));
	memset(exported.bytes, 0xff, SECRET_BYTES);
	CU_ASSERT_EQUAL(bind_psk(&exported, &in, &psk), 0);
	CU_ASSERT_TRUE(secret_equal(&psk, &second));
}

/* Each bit of each value it is bound to changes the PSK. */
static void test_bind_psk_depends_on_everything(void)
{
	struct secret exported = { { 1 } }, psk, other;
	struct bind_psk_input in = test_bind_input(5);
	uint8_t *const parts[] = { exported.bytes, in.host_key.bytes, in.gateway_key.bytes,
				   in.host_addr.s6_addr, (uint8_t *)&in.epoch };
	static const size_t sizes[] = { 32, 32, 32, 16, 8 };

	CU_ASSERT_EQUAL(bind_psk(&exported, &in, &psk), 0);
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		for (size_t bit = 0; bit < 8 * sizes[i]; bit++) {
			parts[i][bit / 8] ^= (uint8_t)(1U << bit % 8);
			CU_ASSERT_EQUAL(bind_psk(&exported, &in, &other), 0);
			CU_ASSERT_FALSE(secret_equal(&psk, &other));
			parts[i][bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
	}
}

/* Two ends of a TLS session in memory. */
struct test_bind_pair {
	SSL_CTX *server_ctx, *client_ctx;
	SSL *server, *client;
};

static void test_bind_own_certificate(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	CU_ASSERT_TRUE(X509_sign(cert, key, EVP_sha256()) > 0);
	CU_ASSERT_EQUAL(SSL_CTX_use_certificate(ctx, cert), 1);
	CU_ASSERT_EQUAL(SSL_CTX_use_PrivateKey(ctx, key), 1);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void test_bind_connect(struct test_bind_pair *p, int version)
{
	BIO *a = NULL, *b = NULL;

	p->server_ctx = SSL_CTX_new(TLS_server_method());
	p->client_ctx = SSL_CTX_new(TLS_client_method());
	test_bind_own_certificate(p->server_ctx);
	SSL_CTX_set_max_proto_version(p->client_ctx, version);
	p->server = SSL_new(p->server_ctx);
	p->client = SSL_new(p->client_ctx);
	CU_ASSERT_EQUAL(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(p->server, a, a);
	SSL_set_bio(p->client, b, b);
	SSL_set_accept_state(p->server);
	SSL_set_connect_state(p->client);
	for (int i = 0; i < 10; i++) {
		SSL_do_handshake(p->client);
		SSL_do_handshake(p->server);
	}
	CU_ASSERT_TRUE(SSL_is_init_finished(p->client) && SSL_is_init_finished(p->server));
}

static void test_bind_free(struct test_bind_pair *p)
{
	SSL_free(p->server);
	SSL_free(p->client);
	SSL_CTX_free(p->server_ctx);
	SSL_CTX_free(p->client_ctx);
}

static void test_bind_export_is_equal_on_both_ends(void)
{
	static const char label[] = "EXPORTER-postern-wireguard-psk";
	struct test_bind_pair one, two;
	struct secret server, client, other, plain;

	test_bind_connect(&one, TLS1_3_VERSION);
	test_bind_connect(&two, TLS1_3_VERSION);
	CU_ASSERT_EQUAL(bind_export(one.server, &server), 0);
	CU_ASSERT_EQUAL(bind_export(one.client, &client), 0);
	CU_ASSERT_EQUAL(bind_export(two.client, &other), 0);
	CU_ASSERT_TRUE(secret_equal(&server, &client));
	CU_ASSERT_FALSE(secret_equal(&client, &other));
	CU_ASSERT_FALSE(secret_is_zero(&client));
	/* What an independent client would call: this label and no context. */
	CU_ASSERT_EQUAL(SSL_export_keying_material(one.client, plain.bytes, SECRET_BYTES, label,
						   sizeof(label) - 1, NULL, 0, 0),
			1);
	CU_ASSERT_TRUE(secret_equal(&plain, &server));
	test_bind_free(&one);
	test_bind_free(&two);
}

static void test_bind_export_refuses_old_tls(void)
{
	struct test_bind_pair p;
	struct secret out = { { 7 } };

	test_bind_connect(&p, TLS1_2_VERSION);
	CU_ASSERT_EQUAL(bind_export(p.client, &out), -EPROTO);
	CU_ASSERT_EQUAL(bind_export(p.server, &out), -EPROTO);
	CU_ASSERT_EQUAL(out.bytes[0], 7);
	test_bind_free(&p);
}

static void test_bind_export_needs_a_handshake(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	struct secret out;

	CU_ASSERT_TRUE(bind_export(ssl, &out) < 0);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static const struct tap_test test_bind_tests[] = {
	{ "address: known answers", test_bind_address_known_answers },
	{ "address needs a /64", test_bind_address_needs_a_64 },
	{ "PSK: known answers", test_bind_psk_known_answers },
	{ "PSK depends on everything", test_bind_psk_depends_on_everything },
	{ "export is equal on both ends", test_bind_export_is_equal_on_both_ends },
	{ "export refuses old TLS", test_bind_export_refuses_old_tls },
	{ "export needs a handshake", test_bind_export_needs_a_handshake },
	{ 0 },
};

static const struct tap_suite test_bind_suites[] = {
	{ "bind", test_bind_tests, NULL, NULL },
	{ 0 },
};

int main(int argc, char **argv)
{
	return tap_main(argc, argv, test_bind_suites);
}
