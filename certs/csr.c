/* SPDX-License-Identifier: MIT */
#include "certs/csr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "certs/csrform.h"
#include "certs/keypair.h"

#define CSR_PEM_NAME "CERTIFICATE REQUEST"
#define CSR_DIGEST EVP_sha256()
#define CSR_SEPARATE_RDN 0 /* X509_NAME_add_entry(3): a set of its own */

/* The fields of a subject that are known. */
enum csr_field { CSR_COUNTRY, CSR_ORGANIZATION, CSR_UNIT, CSR_COMMON_NAME, CSR_FIELDS };

static void csr_free_bio(BIO **bio)
{
	BIO_free(*bio);
}

static void csr_free_request(X509_REQ **req)
{
	X509_REQ_free(*req);
}

static void csr_free_sans(GENERAL_NAMES **sans)
{
	GENERAL_NAMES_free(*sans);
}

static void csr_free_extensions(X509_EXTENSIONS **extensions)
{
	sk_X509_EXTENSION_pop_free(*extensions, X509_EXTENSION_free);
}

static void csr_free_bytes(unsigned char **bytes)
{
	OPENSSL_free(*bytes);
}

/* Empties the thread's error queue. Gives whether an allocation had failed: lack of memory must not
 * be taken for a bad request. */
static bool csr_drain_errors(void)
{
	bool no_memory = false;
	unsigned long e;

	while ((e = ERR_get_error()) != 0)
		no_memory |= ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
	return no_memory;
}

/* --- making --- */

/* The spec with its names checked and lower-cased. */
struct csr_plan {
	const struct csr_spec *spec;
	struct principal who;
};

static bool csr_is_set(const char *text)
{
	return text && text[0] != '\0';
}

static int csr_push_san(GENERAL_NAMES *sans, int type, const void *bytes, size_t len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *string = ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING :
								       V_ASN1_IA5STRING);

	if (name && string && ASN1_STRING_set(string, bytes, (int)len) == 1) {
		GENERAL_NAME_set0_value(name, type, string);
		if (sk_GENERAL_NAME_push(sans, name) > 0)
			return 0;
		string = NULL;
	}
	ASN1_STRING_free(string);
	GENERAL_NAME_free(name);
	return -EIO;
}

/* Formats a name into @ret and gives its length. Errors: -EINVAL when it is too long, or is what no
 * reader takes. */
_printf_(2, 3) static int csr_format(char ret[static CSR_TEXT_MAX], const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(ret, CSR_TEXT_MAX, fmt, args);
	va_end(args);
	if (n < 0 || n >= CSR_TEXT_MAX)
		return -EINVAL;
	for (int i = 0; i < n; i++) {
		if (ret[i] <= ' ' || ret[i] > '~')
			return -EINVAL;
	}
	return n;
}

/* "<service>.<domain with dashes>.<suffix>" */
static int csr_add_dns(GENERAL_NAMES *sans, const struct csr_plan *plan, const char *suffix)
{
	char text[CSR_TEXT_MAX], domain[PRINCIPAL_MAX];
	size_t len = plan->who.domain_len;
	int n;

	for (size_t i = 0; i < len; i++)
		domain[i] = plan->who.name[i] == '.' ? '-' : plan->who.name[i];
	domain[len] = '\0';
	n = csr_format(text, "%s.%s.%s", principal_service(&plan->who), domain, suffix);
	return n < 0 ? n : csr_push_san(sans, GEN_DNS, text, (size_t)n);
}

/* Only under the first suffix: an identity has one such name. */
static int csr_add_instance_dns(GENERAL_NAMES *sans, const struct csr_plan *plan)
{
	const struct csr_spec *spec = plan->spec;
	char text[CSR_TEXT_MAX];
	int n;

	if (!spec->conf->instance_dns || !csr_is_set(spec->instance_id) ||
	    spec->conf->n_suffixes == 0)
		return 0;
	n = csr_format(text, "%s.instanceid.athenz.%s", spec->instance_id, spec->conf->suffixes[0]);
	return n < 0 ? n : csr_push_san(sans, GEN_DNS, text, (size_t)n);
}

static int csr_add_spiffe(GENERAL_NAMES *sans, const struct csr_plan *plan)
{
	const struct certconf *conf = plan->spec->conf;
	const struct principal *who = &plan->who;
	char text[CSR_TEXT_MAX];
	int n;

	if (!conf->spiffe)
		return 0;
	if (conf->spiffe_trust_domain[0] != '\0')
		n = csr_format(text, "spiffe://%s/ns/%s/sa/%s", conf->spiffe_trust_domain,
			       conf->spiffe_namespace, who->name);
	else
		n = csr_format(text, "spiffe://%.*s/sa/%s", (int)who->domain_len, who->name,
			       principal_service(who));
	if (n < 0)
		return n;
	/* What we ask for must be what everybody accepts. */
	if (principal_check_spiffe(who, text, (size_t)n) != 0)
		return -EINVAL;
	return csr_push_san(sans, GEN_URI, text, (size_t)n);
}

static int csr_add_instance(GENERAL_NAMES *sans, const struct csr_plan *plan)
{
	const struct csr_spec *spec = plan->spec;
	struct principal_instance instance;
	char text[CSR_TEXT_MAX];
	int n;

	if (!csr_is_set(spec->instance_id))
		return 0;
	if (!csr_is_set(spec->provider))
		return -EINVAL;
	n = csr_format(text, "athenz://instanceid/%s/%s", spec->provider, spec->instance_id);
	if (n < 0)
		return n;
	if (principal_parse_instance(text, (size_t)n, &instance) != 0)
		return -EINVAL;
	return csr_push_san(sans, GEN_URI, text, (size_t)n);
}

static int csr_add_ip(GENERAL_NAMES *sans, const struct csr_plan *plan)
{
	const struct csr_spec *spec = plan->spec;
	unsigned char bytes[sizeof(struct in6_addr)];

	if (!spec->conf->private_ip || !csr_is_set(spec->private_ip))
		return 0;
	if (inet_pton(AF_INET, spec->private_ip, bytes) == 1)
		return csr_push_san(sans, GEN_IPADD, bytes, sizeof(struct in_addr));
	if (inet_pton(AF_INET6, spec->private_ip, bytes) == 1)
		return csr_push_san(sans, GEN_IPADD, bytes, sizeof(struct in6_addr));
	return -EINVAL;
}

/* In the order of Athenz' own agent; SPIFFE is the first URI. */
static int csr_add_sans(GENERAL_NAMES *sans, const struct csr_plan *plan)
{
	const struct certconf *conf = plan->spec->conf;
	int r = 0;

	for (size_t i = 0; r == 0 && i < conf->n_suffixes; i++)
		r = csr_add_dns(sans, plan, conf->suffixes[i]);
	if (r == 0)
		r = csr_add_instance_dns(sans, plan);
	if (r == 0)
		r = csr_add_spiffe(sans, plan);
	if (r == 0)
		r = csr_add_instance(sans, plan);
	if (r == 0)
		r = csr_add_ip(sans, plan);
	return r;
}

static int csr_set_sans(X509_REQ *req, const struct csr_plan *plan)
{
	_cleanup_(csr_free_sans) GENERAL_NAMES *sans = GENERAL_NAMES_new();
	_cleanup_(csr_free_extensions) X509_EXTENSIONS *extensions = NULL;
	int r;

	if (!sans)
		return -EIO;
	r = csr_add_sans(sans, plan);
	if (r != 0 || sk_GENERAL_NAME_num(sans) == 0)
		return r;
	if (X509V3_add1_i2d(&extensions, NID_subject_alt_name, sans, 0, X509V3_ADD_DEFAULT) != 1 ||
	    X509_REQ_add_extensions(req, extensions) != 1)
		return -EIO;
	return 0;
}

/* A V_ASN1_… kind takes the bytes as they are: with MBSTRING_… a common name could have 64. */
static int csr_add_field(X509_NAME *name, int nid, int kind, const char *text)
{
	if (!csr_is_set(text))
		return 0;
	for (const char *c = text; *c; c++) {
		if (*c < ' ' || *c > '~')
			return -EINVAL;
	}
	return X509_NAME_add_entry_by_NID(name, nid, kind, (const unsigned char *)text, -1, -1,
					  CSR_SEPARATE_RDN) == 1 ?
		       0 :
		       -EIO;
}

static int csr_set_subject(X509_REQ *req, const struct csr_plan *plan)
{
	const struct certconf *conf = plan->spec->conf;
	const char *unit = csr_is_set(conf->organizational_unit) ? conf->organizational_unit :
								   plan->spec->provider;
	X509_NAME *name = X509_REQ_get_subject_name(req);
	int r;

	r = csr_add_field(name, NID_countryName, V_ASN1_PRINTABLESTRING, conf->country);
	if (r == 0)
		r = csr_add_field(name, NID_organizationName, V_ASN1_UTF8STRING,
				  conf->organization);
	if (r == 0)
		r = csr_add_field(name, NID_organizationalUnitName, V_ASN1_UTF8STRING, unit);
	if (r == 0)
		r = csr_add_field(name, NID_commonName, V_ASN1_UTF8STRING, plan->who.name);
	return r;
}

static int csr_write(X509_REQ *req, char **ret)
{
	_cleanup_(csr_free_bio) BIO *bio = BIO_new(BIO_s_mem());
	char *bytes;
	long len;

	if (!bio || PEM_write_bio_X509_REQ(bio, req) != 1)
		return -EIO;
	len = BIO_get_mem_data(bio, &bytes);
	if (len <= 0)
		return -EIO;
	if (len > CSR_PEM_MAX)
		return -EINVAL;
	*ret = strndup(bytes, (size_t)len);
	return *ret ? 0 : -ENOMEM;
}

static int csr_build(EVP_PKEY *key, const struct csr_plan *plan, char **ret)
{
	_cleanup_(csr_free_request) X509_REQ *req = X509_REQ_new();
	int r;

	if (!req || X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
	    X509_REQ_set_pubkey(req, key) != 1)
		return -EIO;
	r = csr_set_subject(req, plan);
	if (r == 0)
		r = csr_set_sans(req, plan);
	if (r != 0)
		return r;
	if (X509_REQ_sign(req, key, CSR_DIGEST) <= 0)
		return -EIO;
	return csr_write(req, ret);
}

int csr_make(EVP_PKEY *key, const struct csr_spec *spec, char **ret)
{
	struct csr_plan plan = { .spec = spec };
	char *pem = NULL;
	int r;

	if (!csr_is_set(spec->principal) ||
	    principal_parse(spec->principal, strlen(spec->principal), &plan.who) != 0)
		return -EINVAL;
	ERR_clear_error();
	r = csr_build(key, &plan, &pem);
	if (csr_drain_errors() && r == -EIO)
		r = -ENOMEM;
	if (r == 0)
		*ret = pem;
	return r;
}

/* --- reading: the functions give NULL, or what is wrong --- */

static const char csr_no_memory[] = "out of memory";

static bool csr_is_space(const char *bytes, long len)
{
	for (long i = 0; i < len; i++) {
		if (bytes[i] != '\n' && bytes[i] != '\r' && bytes[i] != ' ' && bytes[i] != '\t')
			return false;
	}
	return true;
}

static const char *csr_take_block(BIO *bio, unsigned char **ret_der, long *ret_len)
{
	char *name = NULL, *header = NULL, *rest;
	unsigned char *der = NULL;
	bool is_good;
	long left;

	if (PEM_read_bio(bio, &name, &header, &der, ret_len) != 1)
		return "it is not PEM";
	is_good = strcmp(name, CSR_PEM_NAME) == 0 && header[0] == '\0';
	OPENSSL_free(name);
	OPENSSL_free(header);
	*ret_der = der;
	left = BIO_get_mem_data(bio, &rest);
	if (!is_good)
		return "the PEM block is not a CERTIFICATE REQUEST without headers";
	return csr_is_space(rest, left) ? NULL : "something follows the PEM block";
}

static const char *csr_decode(const char *pem, size_t len, struct csrform **ret)
{
	static const char begin[] = "-----BEGIN ";
	_cleanup_(csr_free_bio) BIO *bio = NULL;
	_cleanup_(csr_free_bytes) unsigned char *der = NULL;
	const char *why;
	long der_len = 0;
	bool is_left;

	if (len > CSR_PEM_MAX)
		return "it is longer than 16384 bytes";
	if (len < sizeof(begin) || memcmp(pem, begin, sizeof(begin) - 1) != 0)
		return "it does not begin with a PEM block";
	bio = BIO_new_mem_buf(pem, (int)len);
	why = bio ? csr_take_block(bio, &der, &der_len) : csr_no_memory;
	if (why)
		return why;
	*ret = csrform_decode(der, der_len, &is_left);
	if (is_left)
		return "something follows the request in its PEM block";
	return *ret ? NULL : "it is not a PKCS#10 request";
}

/* Only digests without known collisions; a name can be in a request that somebody else signed. */
static bool csr_is_digest(int nid)
{
	return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512;
}

static const char *csr_read_key(const struct csrform *f, struct csr *c)
{
	if (ASN1_INTEGER_get(f->info->version) != X509_REQ_VERSION_1)
		return "its version is unknown";
	c->key = csrform_decode_key(f);
	return c->key ? keypair_judge_key(c->key) : "its key cannot be read";
}

static const char *csr_check_signature(const struct csrform *f, EVP_PKEY *key)
{
	int digest;

	if (OBJ_find_sigid_algs(OBJ_obj2nid(f->algorithm->algorithm), &digest, NULL) != 1 ||
	    !csr_is_digest(digest))
		return "its signature is not made with SHA-256, SHA-384 or SHA-512";
	if (!csrform_is_signed_by(f, key))
		return "its signature is not made with its key";
	return NULL;
}

struct csr_room {
	char *to;
	size_t size;
};

static enum csr_field csr_find_field(const X509_NAME_ENTRY *entry)
{
	switch (OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry))) {
	case NID_countryName:
		return CSR_COUNTRY;
	case NID_organizationName:
		return CSR_ORGANIZATION;
	case NID_organizationalUnitName:
		return CSR_UNIT;
	case NID_commonName:
		return CSR_COMMON_NAME;
	default:
		return CSR_FIELDS;
	}
}

/* Copies text of at least one byte, all of it in @from...'~'. */
static bool csr_copy_text(const unsigned char *bytes, size_t len, unsigned char from,
			  struct csr_room room)
{
	if (len == 0 || len >= room.size)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] < from || bytes[i] > '~')
			return false;
	}
	memcpy(room.to, bytes, len);
	room.to[len] = '\0';
	return true;
}

static const char *csr_take_field(const X509_NAME_ENTRY *entry, struct csr_room room)
{
	_cleanup_(csr_free_bytes) unsigned char *utf8 = NULL;
	int len = ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(entry));

	if (len < 0 || !csr_copy_text(utf8, (size_t)len, ' ', room))
		return "a field of the subject is empty, too long, or not printable ASCII";
	return NULL;
}

/* OpenSSL numbers the sets: two entries of one number are in one set. */
static const char *csr_read_subject(const X509_NAME *subject, struct csr *c)
{
	const struct csr_room rooms[CSR_FIELDS] = {
		[CSR_COUNTRY] = { c->country, sizeof(c->country) },
		[CSR_ORGANIZATION] = { c->organization, sizeof(c->organization) },
		[CSR_UNIT] = { c->organizational_unit, sizeof(c->organizational_unit) },
		[CSR_COMMON_NAME] = { c->common_name, sizeof(c->common_name) },
	};
	int n = X509_NAME_entry_count(subject);

	for (int i = 0, set = -1; i < n; i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(subject, i);
		enum csr_field field = csr_find_field(entry);
		const char *why;

		if (X509_NAME_ENTRY_set(entry) == set)
			return "two fields of the subject are in one set";
		if (field == CSR_FIELDS)
			return "the subject holds something else than C, O, OU and CN";
		if (rooms[field].to[0] != '\0')
			return "a field of the subject is there twice";
		why = csr_take_field(entry, rooms[field]);
		if (why)
			return why;
		set = X509_NAME_ENTRY_set(entry);
	}
	return NULL;
}

static const char *csr_take_ip(const ASN1_STRING *string, struct csr_name *name)
{
	size_t len = (size_t)ASN1_STRING_length(string);
	int family = len == sizeof(struct in_addr) ? AF_INET : AF_INET6;

	if (len != sizeof(struct in_addr) && len != sizeof(struct in6_addr))
		return "an alternative name is an address of neither 4 nor 16 bytes";
	name->kind = CSR_IP;
	if (!inet_ntop(family, ASN1_STRING_get0_data(string), name->text, sizeof(name->text)))
		return "an alternative name is an address that has no text form";
	return NULL;
}

static const char *csr_take_san(const GENERAL_NAME *san, struct csr_name *name)
{
	const struct csr_room room = { name->text, sizeof(name->text) };
	int type;
	const ASN1_STRING *string = GENERAL_NAME_get0_value(san, &type);

	switch (type) {
	case GEN_DNS:
		name->kind = CSR_DNS;
		break;
	case GEN_URI:
		name->kind = CSR_URI;
		break;
	case GEN_EMAIL:
		name->kind = CSR_EMAIL;
		break;
	case GEN_IPADD:
		return csr_take_ip(string, name);
	default:
		return "an alternative name is of another kind than DNS, URI, IP and mail";
	}
	if (!csr_copy_text(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string), '!',
			   room))
		return "an alternative name is empty, too long, or holds a blank or something that "
		       "is not printable ASCII";
	return NULL;
}

static const char *csr_take_sans(const GENERAL_NAMES *sans, struct csr *c)
{
	int n = sk_GENERAL_NAME_num(sans);
	const char *why = NULL;

	if (n > CSR_SANS_MAX)
		return "it has more than 64 alternative names";
	if (n == 0)
		return NULL;
	c->names = calloc((size_t)n, sizeof(*c->names));
	if (!c->names)
		return csr_no_memory;
	c->n_names = (size_t)n;
	for (int i = 0; !why && i < n; i++)
		why = csr_take_san(sk_GENERAL_NAME_value(sans, i), &c->names[i]);
	return why;
}

static const char *csr_decode_sans(X509_EXTENSION *extension, struct csr *c)
{
	_cleanup_(csr_free_sans) GENERAL_NAMES *sans = NULL;
	const ASN1_STRING *content = X509_EXTENSION_get_data(extension);
	const unsigned char *bytes = ASN1_STRING_get0_data(content), *at = bytes;

	sans = d2i_GENERAL_NAMES(NULL, &at, ASN1_STRING_length(content));
	if (!sans || at != bytes + ASN1_STRING_length(content))
		return "its alternative names cannot be read";
	return csr_take_sans(sans, c);
}

/* X509_REQ_get_extensions() would take the first of several. Gives the one value of the one
 * attribute, or NULL in *ret when there is none. */
static const char *csr_find_extensions(const STACK_OF(X509_ATTRIBUTE) * attributes,
				       const ASN1_STRING **ret)
{
	int at = X509at_get_attr_by_NID(attributes, NID_ext_req, -1);
	X509_ATTRIBUTE *attribute;
	const ASN1_TYPE *value;

	if (X509at_get_attr_by_NID(attributes, NID_ms_ext_req, -1) >= 0)
		return "it asks for extensions in Microsoft's way";
	*ret = NULL;
	if (at < 0)
		return NULL;
	attribute = X509at_get_attr(attributes, at);
	if (X509at_get_attr_by_NID(attributes, NID_ext_req, at) >= 0 ||
	    X509_ATTRIBUTE_count(attribute) != 1)
		return "it asks for extensions twice";
	value = X509_ATTRIBUTE_get0_type(attribute, 0);
	if (!value || value->type != V_ASN1_SEQUENCE)
		return "the extensions it asks for cannot be read";
	*ret = value->value.sequence;
	return NULL;
}

static const char *csr_read_extensions(const struct csrform *f, struct csr *c)
{
	_cleanup_(csr_free_extensions) X509_EXTENSIONS *extensions = NULL;
	const ASN1_STRING *list;
	const unsigned char *bytes, *at;
	const char *why = csr_find_extensions(f->info->attributes, &list);
	int san;

	if (why || !list)
		return why;
	bytes = at = ASN1_STRING_get0_data(list);
	extensions = d2i_X509_EXTENSIONS(NULL, &at, ASN1_STRING_length(list));
	if (!extensions || at != bytes + ASN1_STRING_length(list))
		return "the extensions it asks for cannot be read";
	san = X509v3_get_ext_by_NID(extensions, NID_subject_alt_name, -1);
	if (san < 0)
		return NULL;
	if (X509v3_get_ext_by_NID(extensions, NID_subject_alt_name, san) >= 0)
		return "it has alternative names twice";
	return csr_decode_sans(X509v3_get_ext(extensions, san), c);
}

static const char *csr_take(const char *pem, size_t len, struct csr *c)
{
	_cleanup_(csrform_freep) struct csrform *f = NULL;
	const char *why = csr_decode(pem, len, &f);

	if (!why)
		why = csr_read_key(f, c);
	if (!why)
		why = csr_read_subject(f->info->subject, c);
	if (!why)
		why = csr_read_extensions(f, c);
	/* The last, because it costs most. */
	if (!why)
		why = csr_check_signature(f, c->key);
	return why;
}

int csr_read(const char *pem, size_t len, struct csr *ret, const char **ret_why)
{
	_cleanup_(csr_release) struct csr c = { 0 };
	const char *why;

	ERR_clear_error();
	why = csr_take(pem, len, &c);
	if (csr_drain_errors() && why)
		why = csr_no_memory;
	if (why == csr_no_memory)
		return -ENOMEM;
	if (why) {
		*ret_why = why;
		return -EBADMSG;
	}
	*ret = c;
	c = (struct csr){ 0 };
	return 0;
}

void csr_release(struct csr *c)
{
	EVP_PKEY_free(c->key);
	free(c->names);
	*c = (struct csr){ 0 };
}
