/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How this host gets its certificate: the sections [certd], [csr] and [aws] of
 * /etc/postern/postern.conf. Read once by certd, before it gives root away, and passed on to its
 * worker with every job (certs/fetchjob.h); links no library.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "certs/principal.h"
#include "common/attr.h"
#include "common/conf.h"

#define CERTCONF_PATH "/etc/postern/postern.conf"
#define CERTCONF_SUFFIXES_MAX 4
#define CERTCONF_IMDS_MAX 2
#define CERTCONF_SUFFIX_MAX 128 /* bytes with NUL */

enum certconf_attestation { CERTCONF_AWS, CERTCONF_TOKEN };
enum certconf_credentials { CERTCONF_ASSUME_ROLE, CERTCONF_WEB_IDENTITY, CERTCONF_NO_CREDENTIALS };
enum certconf_key { CERTCONF_EC_P256, CERTCONF_RSA_2048, CERTCONF_RSA_3072 };

struct certconf {
	/* [certd]: the issuer, the files, the schedule */
	char zts_url[CONF_VALUE_MAX]; /* "https://zts.example:4443/zts/v1", no slash at the end */
	struct ip6_endpoint zts_address; /* where that name leads; port 0 = look the name up */
	char zts_ca[CONF_VALUE_MAX];     /* PEM of who signs the issuer's TLS certificate */
	char ca_pin[CONF_VALUE_MAX]; /* PEM our certificate must chain to; "" = what ZTS sends */
	char domain[PRINCIPAL_MAX];  /* "" = from the instance profile's name */
	char service[PRINCIPAL_MAX]; /* "" = as above */
	char provider[PRINCIPAL_PROVIDER_MAX]; /* "" = provider_prefix.region */
	char provider_prefix[PRINCIPAL_PROVIDER_MAX];
	enum certconf_attestation attestation;
	char token_file[CONF_VALUE_MAX];          /* CERTCONF_TOKEN: what proves who we are */
	char instance_id[PRINCIPAL_INSTANCE_MAX]; /* CERTCONF_TOKEN: "" = /etc/machine-id */
	enum certconf_key key_type;
	uint32_t expiry_min; /* asked for, minutes; 0 = the issuer's default */
	char sia_dir[CONF_VALUE_MAX];
	char user[64];        /* "" = stay as started */
	uint32_t renew_max_s; /* a certificate is renewed at the latest after this, seconds */
	uint32_t retry_min_s, retry_max_s; /* bounds of the back-off, seconds */
	uint32_t timeout_ms;               /* of one attempt, all its calls together */

	/* [csr]: what else the request carries */
	char suffixes[CERTCONF_SUFFIXES_MAX][CERTCONF_SUFFIX_MAX]; /* "aws.athenz.example" */
	size_t n_suffixes;
	char country[3], organization[128],
		organizational_unit[128]; /* "" = none; OU "" = provider */
	bool spiffe;
	char spiffe_trust_domain[128]; /* "" = the short form spiffe://<domain>/sa/<service> */
	char spiffe_namespace[64];
	bool wildcard_dns; /* also *.<service>.<domain with dashes>.<suffix> */
	bool instance_dns; /* also the legacy DNS name <id>.instanceid.athenz.<suffix> */
	bool private_ip;   /* also the instance document's address as IP SAN */

	/* [aws]: how the instance proves itself */
	char imds[CERTCONF_IMDS_MAX][64]; /* "http://[fd00:ec2::254]", tried in turn */
	size_t n_imds;
	char document_signature[8]; /* "pkcs7" or "rsa2048": which one of IMDS is sent */
	enum certconf_credentials credentials;
	char role_path[128];             /* "" or "path/" between "role/" and the role's name */
	bool role_omits_domain;          /* the role is named <service> only */
	char sts_url[CONF_VALUE_MAX];    /* may hold "{region}": "https://sts.{region}.api.aws" */
	struct ip6_endpoint sts_address; /* port 0 = look the name up */
	char sts_ca[CONF_VALUE_MAX];     /* "" = the system's CAs */
	char audience[CONF_VALUE_MAX];   /* of a web-identity token; "" = zts_url */
	char signing_algorithm[8];       /* "ES384" or "RS256" */
	uint32_t token_duration_s;       /* 60...3600 */
};

/* Reads and checks everything. Gives *ret. Errors: as conf_load(), with @ret_error filled. */
int certconf_load(const char *path, struct certconf *ret,
		  struct conf_error *ret_error) _warn_unused_;

/* As certconf_load() for text in memory; @name stands for the file in errors. */
int certconf_load_text(const char *name, const char *text, struct certconf *ret,
		       struct conf_error *ret_error) _warn_unused_;

/* Prints every key with its default and meaning. */
void certconf_print_reference(FILE *to);
