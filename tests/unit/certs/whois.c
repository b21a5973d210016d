/* SPDX-License-Identifier: MIT */
/* Says who a certificate file is, by the chain check of OpenSSL and then peerid_read(), as both
 * ends of a connection do: "whois CA.pem host|server CERT.pem" prints principal, provider and
 * instance id, or the code of the refusal. Exit status: 0 for either answer, 1 when a file cannot
 * be read, 2 for usage. */
#include <stdio.h>
#include <string.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "certs/peerid.h"

static const char *const whois_providers[] = { "athenz.aws.us-east-1" };

static X509 *whois_load(const char *path)
{
	FILE *file = fopen(path, "re");
	X509 *cert = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

	if (file)
		(void)fclose(file);
	return cert;
}

/* Gives the verification error; X509_V_ERR_UNSPECIFIED when there was no verification. */
static int whois_verify(X509 *ca, X509 *cert, int purpose)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	int error = X509_V_ERR_UNSPECIFIED;

	if (store && ctx && X509_STORE_add_cert(store, ca) == 1 &&
	    X509_STORE_CTX_init(ctx, store, cert, NULL) == 1 &&
	    X509_STORE_CTX_set_purpose(ctx, purpose) == 1)
		error = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return error;
}

static int whois_print(X509 *ca, X509 *cert, bool is_host)
{
	const struct peerid_rule rule = { .need_instance = is_host,
					  .providers = whois_providers,
					  .n_providers = 1 };
	int error = whois_verify(ca, cert,
				 is_host ? X509_PURPOSE_SSL_CLIENT : X509_PURPOSE_SSL_SERVER);
	enum pst code = PST_NONE;
	struct peerid id;

	if (error != X509_V_OK)
		code = peerid_verify_code(error);
	else if (peerid_read(cert, &rule, &id, &code) < 0 && code == PST_NONE)
		return 1;
	if (code != PST_NONE)
		(void)printf("PST-%d\n", (int)code);
	else
		(void)printf("%s %s %s\n", id.principal, id.provider, id.instance_id);
	return 0;
}

int main(int argc, char **argv)
{
	X509 *ca, *cert;
	int status = 1;

	if (argc != 4 || (strcmp(argv[2], "host") != 0 && strcmp(argv[2], "server") != 0))
		return 2;
	ca = whois_load(argv[1]);
	cert = whois_load(argv[3]);
	if (ca && cert)
		status = whois_print(ca, cert, strcmp(argv[2], "host") == 0);
	X509_free(cert);
	X509_free(ca);
	return status;
}
