/* SPDX-License-Identifier: MIT */
#include "common/tlsserver.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define TLSSERVER_SECURITY_LEVEL                                                                   \
	2 /* 112 bits: RSA 2048, P-256. Source: SSL_CTX_set_security_level(3) */

void tlsserver_freep(SSL_CTX **p)
{
	SSL_CTX_free(*p);
}

static int tlsserver_set_groups(SSL_CTX *ctx)
{
	if (SSL_CTX_set1_groups_list(ctx, "X25519MLKEM768:X25519") == 1)
		return 0;
	ERR_clear_error(); /* an OpenSSL before 3.5 does not know the hybrid group */
	return SSL_CTX_set1_groups_list(ctx, "X25519") == 1 ? 0 : -EINVAL;
}

static int tlsserver_set_protocol(SSL_CTX *ctx)
{
	SSL_CTX_set_security_level(ctx, TLSSERVER_SECURITY_LEVEL);
	SSL_CTX_set_options(ctx,
			    SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
	    SSL_CTX_set_num_tickets(ctx, 0) != 1)
		return -EINVAL;
	return tlsserver_set_groups(ctx);
}

static int tlsserver_load_identity(SSL_CTX *ctx, const struct tlsserver_files *files,
				   const char **ret_what)
{
	*ret_what = "the certificate file cannot be read";
	if (SSL_CTX_use_certificate_chain_file(ctx, files->cert) != 1)
		return -EINVAL;
	*ret_what = "the key file cannot be read";
	if (SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) != 1)
		return -EINVAL;
	*ret_what = "the key does not belong to the certificate";
	return SSL_CTX_check_private_key(ctx) == 1 ? 0 : -EINVAL;
}

/* What is sent behind our certificate: the chain of its file, or else what the CA file knows of it,
 * without the root. Left to itself OpenSSL looks for the latter in every handshake, for the price
 * of a signature or two. */
static int tlsserver_set_chain(SSL_CTX *ctx)
{
	STACK_OF(X509) *chain = NULL;

	if (SSL_CTX_get0_chain_certs(ctx, &chain) == 1 && chain)
		return 0;
	return SSL_CTX_build_cert_chain(ctx, SSL_BUILD_CHAIN_FLAG_NO_ROOT |
						     SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR |
						     SSL_BUILD_CHAIN_FLAG_CLEAR_ERROR) > 0 ?
		       0 :
		       -EINVAL;
}

static int tlsserver_load_ca(SSL_CTX *ctx, const struct tlsserver_files *files,
			     const char **ret_what)
{
	STACK_OF(X509_NAME) * names;

	*ret_what = "the CA file cannot be read";
	if (SSL_CTX_load_verify_file(ctx, files->ca) != 1)
		return -EINVAL;
	names = SSL_load_client_CA_file(files->ca);
	if (!names)
		return -EINVAL;
	SSL_CTX_set_client_CA_list(ctx, names); /* takes names */
	return 0;
}

static void tlsserver_set_verify(SSL_CTX *ctx, bool client_optional)
{
	int mode = SSL_VERIFY_PEER;

	if (!client_optional)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx, mode, NULL);
	SSL_CTX_set_verify_depth(ctx, TLSSERVER_CHAIN_MAX);
	SSL_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
}

int tlsserver_open(const struct tlsserver_files *files, SSL_CTX **ret, const char **ret_what)
{
	_cleanup_(tlsserver_freep) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	int r;

	if (!ctx)
		return -ENOMEM;
	*ret_what = "TLS 1.3 with X25519 is not to be had from this OpenSSL";
	r = tlsserver_set_protocol(ctx);
	if (r == 0)
		r = tlsserver_load_identity(ctx, files, ret_what);
	if (r == 0)
		r = tlsserver_load_ca(ctx, files, ret_what);
	if (r == 0) {
		*ret_what = "the chain of the certificate is too weak";
		r = tlsserver_set_chain(ctx);
	}
	if (r < 0) {
		ERR_clear_error();
		return r;
	}
	tlsserver_set_verify(ctx, files->client_optional);
	*ret = steal_ptr(ctx);
	return 0;
}
