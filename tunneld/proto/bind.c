/* SPDX-License-Identifier: MIT */
#include "tunneld/proto/bind.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>
#include <string.h>

#define BIND_EXPORTER_LABEL "EXPORTER-postern-wireguard-psk"
#define BIND_PSK_LABEL "postern psk v1"
#define BIND_ADDRESS_LABEL "postern host address v1"
#define BIND_UNIVERSAL_BIT 0x02 /* RFC 4291, appendix A: clear = not derived from hardware */

static void bind_digest_freep(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}

/* Hashes a label or a name with its NUL, so that two names can never run into each other. */
static int bind_hash_str(EVP_MD_CTX *md, const char *text, bool last)
{
	return EVP_DigestUpdate(md, text, strlen(text) + (last ? 0 : 1)) == 1 ? 0 : -EIO;
}

int bind_address(const struct ip6_prefix *hosts_prefix, const char *zone, const char *provider,
		 const char *instance_id, struct in6_addr *ret)
{
	_cleanup_(bind_digest_freep) EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t hash[EVP_MAX_MD_SIZE];
	struct in6_addr addr = hosts_prefix->addr;

	if (hosts_prefix->len != 64)
		return -EINVAL;
	if (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1 ||
	    bind_hash_str(md, BIND_ADDRESS_LABEL, false) < 0 ||
	    bind_hash_str(md, zone, false) < 0 || bind_hash_str(md, provider, false) < 0 ||
	    bind_hash_str(md, instance_id, true) < 0 || EVP_DigestFinal_ex(md, hash, NULL) != 1)
		return -EIO;
	memcpy(addr.s6_addr + 8, hash, 8);
	addr.s6_addr[8] &= (uint8_t)~BIND_UNIVERSAL_BIT;
	*ret = addr;
	return 0;
}

int bind_export(SSL *ssl, struct secret *ret)
{
	if (SSL_version(ssl) != TLS1_3_VERSION)
		return -EPROTO;
	if (SSL_export_keying_material(ssl, ret->bytes, SECRET_BYTES, BIND_EXPORTER_LABEL,
				       strlen(BIND_EXPORTER_LABEL), NULL, 0, 0) != 1)
		return -EIO;
	return 0;
}

/* label NUL host key (32) gateway key (32) host address (16) epoch (8, big-endian) */
#define BIND_PSK_INPUT_BYTES (sizeof(BIND_PSK_LABEL) + WGKEY_BYTES + WGKEY_BYTES + 16 + 8)

static void bind_write_input(const struct bind_psk_input *in,
			     uint8_t out[static BIND_PSK_INPUT_BYTES])
{
	memcpy(out, BIND_PSK_LABEL, sizeof(BIND_PSK_LABEL)); /* with its NUL */
	out += sizeof(BIND_PSK_LABEL);
	memcpy(out, in->host_key.bytes, WGKEY_BYTES);
	memcpy(out + WGKEY_BYTES, in->gateway_key.bytes, WGKEY_BYTES);
	memcpy(out + 2 * WGKEY_BYTES, in->host_addr.s6_addr, 16);
	out += 2 * WGKEY_BYTES + 16;
	for (unsigned int i = 0; i < 8; i++)
		out[i] = (uint8_t)(in->epoch >> (56 - 8 * i));
}

int bind_psk(const struct secret *exported, const struct bind_psk_input *in, struct secret *ret)
{
	uint8_t input[BIND_PSK_INPUT_BYTES];
	unsigned int len = SECRET_BYTES;

	bind_write_input(in, input);
	if (!HMAC(EVP_sha256(), exported->bytes, SECRET_BYTES, input, sizeof(input), ret->bytes,
		  &len) ||
	    len != SECRET_BYTES)
		return -EIO;
	return 0;
}
