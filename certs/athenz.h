/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The JSON of the Athenz ZTS interface as both ends need it: certd-fetch encodes requests and
 * decodes answers, ztsd the other way round. Unknown members are ignored, as Athenz does; members
 * that are known must have the right type, be unique, and fit. Texts that may be long are owned by
 * the struct; release with the function of the same name.
 * Source: docs/zts.md; Athenz' RDL of ZTS, resource InstanceRegisterInformation and its kin.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "certs/principal.h"
#include "common/attr.h"
#include "common/pst.h"

#define ATHENZ_REQUEST_MAX 65536   /* bytes of a request body */
#define ATHENZ_RESPONSE_MAX 262144 /* bytes of an answer */
#define ATHENZ_CSR_MAX 16384       /* bytes of a CSR in PEM */
#define ATHENZ_EVIDENCE_MAX 32768  /* bytes of attestationData */
#define ATHENZ_PEM_MAX 131072      /* bytes of a bundle in PEM */
#define ATHENZ_MESSAGE_MAX 512     /* bytes with NUL of an error message */
#define ATHENZ_NAME_MAX 256
#define ATHENZ_DOCUMENT_MAX 16384 /* bytes of an instance identity document */

/* Body of POST /instance; for a refresh provider, domain and service stand in the path. */
struct athenz_request {
	char provider[PRINCIPAL_PROVIDER_MAX]; /* lower-cased by the decoder, as are the next two */
	char domain[PRINCIPAL_MAX];
	char service[PRINCIPAL_MAX];
	char *evidence;                   /* attestationData: opaque here; "" when absent; owned */
	char *csr;                        /* PEM; "" when absent; owned */
	char hostname[ATHENZ_NAME_MAX];   /* "" when absent, as are the next two */
	char name_space[ATHENZ_NAME_MAX]; /* member "namespace" */
	char cloud[ATHENZ_NAME_MAX];
	char instance_id[PRINCIPAL_INSTANCE_MAX]; /* member "x509CertInstanceId"; "" when absent */
	int32_t expiry_min;                       /* member "expiryTime"; 0 when absent */
};

/* What was wrong with a request: the whole message of a 400 in Athenz' words, "Invalid Object: …"
 * or "Invalid InstanceRegisterInformation error: …". */
struct athenz_problem {
	char text[ATHENZ_MESSAGE_MAX]; /* printable ASCII */
};

/* The answer: InstanceIdentity. */
struct athenz_identity {
	char provider[PRINCIPAL_PROVIDER_MAX];
	char name[PRINCIPAL_MAX]; /* domain.service */
	char instance_id[PRINCIPAL_INSTANCE_MAX];
	char *cert;   /* x509Certificate, PEM; owned */
	char *signer; /* x509CertificateSigner, PEM; "" when absent; owned */
};

struct athenz_error {
	unsigned int code;                /* HTTP status as the body says it; 0 when it does not */
	char message[ATHENZ_MESSAGE_MAX]; /* printable ASCII; "" when it has none */
};

/* AWS attestationData: a JSON text that is carried as a string. */
struct athenz_evidence {
	char role[PRINCIPAL_MAX];
	char *document;  /* bytes of the instance identity document, exactly; owned; "" = none */
	char *signature; /* base64 of the CMS signature over it; owned */
	char *access, *secret, *token; /* temporary credentials; owned, wiped; NULL = none */
	char *identity_token;          /* web-identity JWT instead of them; owned; NULL = none */
};

/* The instance identity document. Source: AWS, "Instance identity documents". */
struct athenz_document {
	char account[64]; /* accountId, digits */
	char instance_id[PRINCIPAL_INSTANCE_MAX];
	char region[64];
	char private_ip[46];   /* "" when null or absent */
	uint64_t pending_wall; /* pendingTime, seconds since 1970 */
};

/* Encodes the body of a registration (@registering) or a refresh. Gives *ret (free() it, it holds
 * credentials: wipe first). Errors: 0; -EMSGSIZE; -EILSEQ for text that is not UTF-8; -ENOMEM. */
int athenz_encode_request(const struct athenz_request *in, bool registering,
			  char **ret) _warn_unused_;
/* The pair of athenz_encode_request(). null counts as absent, as in Athenz. For a refresh the
 * members that stand in the path are not looked at. Gives *ret (athenz_request_release()).
 * Errors: 0; -EBADMSG with *ret_problem, and then *ret is untouched; -ENOMEM. */
int athenz_decode_request(const char *bytes, size_t len, bool registering,
			  struct athenz_request *ret,
			  struct athenz_problem *ret_problem) _warn_unused_;
/* Wipes and frees what @r owns. For _cleanup_(athenz_request_release). */
void athenz_request_release(struct athenz_request *r);

/* Encodes an answer. Gives *ret (free() it). Errors: as athenz_encode_request(). */
int athenz_encode_identity(const struct athenz_identity *in, char **ret) _warn_unused_;
/* The pair of athenz_encode_identity(). Provider and name come lower-cased; the three names and the
 * certificate must be there. Whether they are what was asked for is for the caller.
 * Errors: 0; -EBADMSG; -ENOMEM. */
int athenz_decode_identity(const char *bytes, size_t len,
			   struct athenz_identity *ret) _warn_unused_;
/* As athenz_request_release(). */
void athenz_identity_release(struct athenz_identity *i);

/* Encodes {"code","message"}. Gives *ret (free() it). Errors: 0; -ENOMEM. */
int athenz_encode_error(const struct athenz_error *in, char **ret) _warn_unused_;
/* Reads an error body defensively: what is not JSON gives the beginning of its text as message.
 * Never fails; characters that are not printable become "?". */
void athenz_decode_error(const char *bytes, size_t len, struct athenz_error *ret);

/* What a refusal means for a client: PST_ZTS_... by HTTP status and the beginning of the message.
 * Source: docs/zts.md, "What certd makes of an answer". */
enum pst athenz_classify(unsigned int status, const char *message);

/* Encodes attestationData. Gives *ret (free() it, wipe first). Errors: as
 * athenz_encode_request(). */
int athenz_encode_evidence(const struct athenz_evidence *in, char **ret) _warn_unused_;
/* The pair of athenz_encode_evidence(). The document comes byte for byte, "" when it is absent; the
 * credentials are there all three or not at all, printable and without blanks.
 * Errors: 0; -EBADMSG; -ENOMEM. */
int athenz_decode_evidence(const char *bytes, size_t len,
			   struct athenz_evidence *ret) _warn_unused_;
/* As athenz_request_release(). */
void athenz_evidence_release(struct athenz_evidence *e);

/* Reads an instance identity document; only privateIp may be missing. Its signature is checked
 * elsewhere, before. Errors: 0; -EBADMSG; -ENOMEM. */
int athenz_decode_document(const char *bytes, size_t len,
			   struct athenz_document *ret) _warn_unused_;

/* The role credentials as IMDS gives them (AccessKeyId, SecretAccessKey, Token), into the fields
 * access, secret and token of *ret, in place of what was there.
 * Errors: 0; -EBADMSG, also when "Code" is not "Success"; -ENOMEM. */
int athenz_decode_credentials(const char *bytes, size_t len,
			      struct athenz_evidence *ret) _warn_unused_;
/* The member InstanceProfileArn of /latest/meta-data/iam/info into @ret of @cap bytes.
 * Errors: 0; -EBADMSG; -ENOMEM. */
int athenz_decode_profile(const char *bytes, size_t len, char *ret, size_t cap) _warn_unused_;
