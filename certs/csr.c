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

/* "<service>.<domain with dashes>.<suffix>", behind @prefix */
static int csr_add_dns(GENERAL_NAMES *sans, const struct csr_plan *plan, const char *prefix,
		       const char *suffix)
{
	char text[CSR_TEXT_MAX], domain[PRINCIPAL_MAX];
	size_t len = plan->who.domain_len;
	int n;

	for (size_t i = 0; i < len; i++)
		domain[i] = plan->who.name[i] == '.' ? '-' : plan->who.name[i];
	domain[len] = '\0';
	n = csr_format(text, "%s%s.%s.%s", prefix, principal_service(&plan->who), domain, suffix);
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
		r = csr_add_dns(sans, plan, "", conf->suffixes[i]);
	for (size_t i = 0; r == 0 && conf->wildcard_dns && i < conf->n_suffixes; i++)
		r = csr_add_dns(sans, plan, "*.", conf->suffixes[i]);
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

static const char *csr_read_pem(const char *pem, size_t len, unsigned char **ret_der, long *ret_len)
{
	static const char begin[] = "-----BEGIN ";
	_cleanup_(csr_free_bio) BIO *bio = NULL;
	const char *why;

	if (len > CSR_PEM_MAX)
		return "it is longer than 16384 bytes";
	if (len < sizeof(begin) || memcmp(pem, begin, sizeof(begin) - 1) != 0)
		return "it does not begin with a PEM block";
	bio = BIO_new_mem_buf(pem, (int)len);
	why = bio ? csr_take_block(bio, ret_der, ret_len) : csr_no_memory;
	/* OpenSSL has passed over a beginning that is none. */
	if (!why && memmem(pem + 1, len - 1, begin, sizeof(begin) - 1))
		why = "it does not begin with a PEM block";
	return why;
}

static const char *csr_check_signature(const struct csrform *f, EVP_PKEY *key)
{
	if (!csrform_knows_algorithm(f))
		return "its signature is not made with SHA-256, SHA-384 or SHA-512";
	if (!csrform_is_signed_by(f, key))
		return "its signature is not made with its key";
	return NULL;
}

/* Where a field goes to. */
struct csr_room {
	char *to;
	size_t size;
};

/* Bytes of one character, 0 for what is no text of a name. Source: RFC 5280, DirectoryString. */
static size_t csr_width(unsigned int tag)
{
	switch (tag) {
	case DER_UTF8:
	case DER_PRINTABLE:
	case DER_T61:
	case DER_IA5:
		return 1;
	case DER_BMP:
		return 2;
	case DER_UNIVERSAL:
		return 4;
	default:
		return 0;
	}
}

/* Copies text of at least one character, all of it in @from...'~'. */
static bool csr_copy_text(const struct der_in *text, size_t width, unsigned char from,
			  struct csr_room room)
{
	size_t n = der_len(text) / width;

	if (n == 0 || n >= room.size || der_len(text) % width)
		return false;
	for (size_t i = 0; i < der_len(text); i++) {
		bool is_last = i % width == width - 1;

		if (is_last ? text->at[i] < from || text->at[i] > '~' : text->at[i] != 0)
			return false;
		room.to[i / width] = (char)text->at[i];
	}
	room.to[n] = '\0';
	return true;
}

/* NULL in .to for what a subject must not hold. Source: RFC 5280, appendix A.1 */
static struct csr_room csr_find_room(const struct der_in *oid, struct csr *c)
{
	const struct {
		const char *oid;
		struct csr_room room;
	} fields[] = {
		{ "\x55\x04\x03", { c->common_name, sizeof(c->common_name) } },
		{ "\x55\x04\x06", { c->country, sizeof(c->country) } },
		{ "\x55\x04\x0a", { c->organization, sizeof(c->organization) } },
		{ "\x55\x04\x0b", { c->organizational_unit, sizeof(c->organizational_unit) } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (der_is(oid, fields[i].oid, 3))
			return fields[i].room;
	return (struct csr_room){ NULL, 0 };
}

static const char *csr_take_field(struct der_in *field, struct csr *c)
{
	struct der_in oid = der_enter_oid(field);
	struct csr_room room = csr_find_room(&oid, c);
	size_t width = csr_width(der_tag(field));
	struct der_in text = der_enter(field, der_tag(field));

	der_end(field);
	if (*field->failed)
		return "its subject cannot be read";
	if (!room.to)
		return "the subject holds something else than C, O, OU and CN";
	if (room.to[0] != '\0')
		return "a field of the subject is there twice";
	if (!width || !csr_copy_text(&text, width, ' ', room))
		return "a field of the subject is empty, too long, or not printable ASCII";
	return NULL;
}

static const char *csr_read_subject(const struct csrform *f, struct csr *c)
{
	struct der_in subject = f->subject;
	const char *why = NULL;

	while (!why && der_len(&subject)) {
		struct der_in set = der_enter(&subject, DER_SET);
		struct der_in field = der_enter(&set, DER_SEQUENCE);

		why = csr_take_field(&field, c);
		if (!why && der_len(&set))
			why = "two fields of the subject are in one set";
	}
	return why;
}

static const char *csr_take_ip(const struct der_in *bytes, struct csr_name *name)
{
	size_t len = der_len(bytes);
	int family = len == sizeof(struct in_addr) ? AF_INET : AF_INET6;

	if (len != sizeof(struct in_addr) && len != sizeof(struct in6_addr))
		return "an alternative name is an address of neither 4 nor 16 bytes";
	if (!inet_ntop(family, bytes->at, name->text, sizeof(name->text)))
		return "an alternative name is an address that has no text form";
	return NULL;
}

/* Source: RFC 5280, section 4.2.1.6 */
static const char *csr_take_san(struct der_in *sans, struct csr_name *name)
{
	const struct csr_room room = { name->text, sizeof(name->text) };
	unsigned int tag = der_tag(sans);
	struct der_in text = der_enter(sans, tag);

	switch (tag) {
	case DER_CONTEXT(1):
		name->kind = CSR_EMAIL;
		break;
	case DER_CONTEXT(2):
		name->kind = CSR_DNS;
		break;
	case DER_CONTEXT(6):
		name->kind = CSR_URI;
		break;
	case DER_CONTEXT(7):
		name->kind = CSR_IP;
		return csr_take_ip(&text, name);
	default:
		return "an alternative name is of another kind than DNS, URI, IP and mail";
	}
	if (!csr_copy_text(&text, 1, '!', room))
		return "an alternative name is empty, too long, or holds a blank or something that "
		       "is not printable ASCII";
	return NULL;
}

static size_t csr_count(struct der_in list)
{
	size_t n = 0;

	for (; der_len(&list); n++)
		(void)der_enter(&list, der_tag(&list));
	return n;
}

static const char *csr_take_sans(struct der_in sans, struct csr *c)
{
	size_t n = csr_count(sans);
	const char *why = NULL;

	if (*sans.failed)
		return "its alternative names cannot be read";
	if (n > CSR_SANS_MAX)
		return "it has more than 64 alternative names";
	if (n == 0)
		return NULL;
	c->names = calloc(n, sizeof(*c->names));
	if (!c->names)
		return csr_no_memory;
	c->n_names = n;
	for (size_t i = 0; !why && i < n; i++)
		why = csr_take_san(&sans, &c->names[i]);
	return why;
}

/* The value of an extension is a text of its own. */
static const char *csr_decode_sans(const struct der_in *value, struct csr *c)
{
	bool failed;
	struct der_in all = der_open(value->at, der_len(value), &failed);
	struct der_in sans = der_enter(&all, DER_SEQUENCE);

	der_end(&all);
	return csr_take_sans(sans, c);
}

/* Gives the value of the one attribute with extensions, empty when there is none. */
static const char *csr_find_extensions(struct der_in attributes, struct der_in *ret)
{
	static const char microsoft[] = "\x2b\x06\x01\x04\x01\x82\x37\x02\x01\x0e";
	static const char pkcs9[] = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e"; /* RFC 2985 */
	size_t n = 0;

	*ret = (struct der_in){ attributes.end, attributes.end, attributes.failed };
	while (der_len(&attributes)) {
		struct der_in attribute = der_enter(&attributes, DER_SEQUENCE);
		struct der_in oid = der_enter_oid(&attribute);
		struct der_in values = der_enter(&attribute, DER_SET);

		der_end(&attribute);
		if (der_is(&oid, microsoft, sizeof(microsoft) - 1))
			return "it asks for extensions in Microsoft's way";
		if (!der_is(&oid, pkcs9, sizeof(pkcs9) - 1))
			continue;
		if (n++ || csr_count(values) != 1)
			return "it asks for extensions twice";
		*ret = values;
	}
	return *attributes.failed ? "the extensions it asks for cannot be read" : NULL;
}

/* FALSE is the default, which DER leaves out and some write all the same. */
static void csr_skip_critical(struct der_in *extension)
{
	struct der_in critical;

	if (der_tag(extension) != DER_BOOLEAN)
		return;
	critical = der_enter(extension, DER_BOOLEAN);
	*critical.failed |= !der_is(&critical, "\xff", 1) && !der_is(&critical, "\0", 1);
}

/* One extension; that of alternative names goes to @ret_san. */
static const char *csr_take_extension(struct der_in *list, struct der_in *ret_san)
{
	struct der_in extension = der_enter(list, DER_SEQUENCE);
	struct der_in oid = der_enter_oid(&extension);
	struct der_in value;

	csr_skip_critical(&extension);
	value = der_enter(&extension, DER_OCTET_STRING);
	der_end(&extension);
	if (!der_is(&oid, "\x55\x1d\x11", 3)) /* RFC 5280, section 4.2.1.6 */
		return NULL;
	if (ret_san->at)
		return "it has alternative names twice";
	*ret_san = value;
	return NULL;
}

static const char *csr_read_extensions(const struct csrform *f, struct csr *c)
{
	struct der_in value, list, san = { .at = NULL };
	const char *why = csr_find_extensions(f->attributes, &value);

	if (why || !der_len(&value))
		return why;
	list = der_enter(&value, DER_SEQUENCE);
	while (!why && der_len(&list))
		why = csr_take_extension(&list, &san);
	if (!why && *list.failed)
		why = "the extensions it asks for cannot be read";
	if (!why && san.at)
		why = csr_decode_sans(&san, c);
	return why;
}

static const char *csr_take_fields(const struct csrform *f, EVP_PKEY *key, struct csr *c)
{
	const char *why = key ? keypair_judge_key(key) : "its key cannot be read";

	if (!why)
		why = csr_read_subject(f, c);
	if (!why)
		why = csr_read_extensions(f, c);
	/* The last, because it costs most. */
	if (!why)
		why = csr_check_signature(f, key);
	if (why)
		return why;
	c->key_len = csrform_encode_key(f, key, &c->key);
	return c->key_len ? NULL : csr_no_memory;
}

static const char *csr_take(const unsigned char *der, size_t len, struct csr *c)
{
	struct csrform f;
	bool failed;
	int r = csrform_decode(der, len, &failed, &f);
	EVP_PKEY *key;
	const char *why;

	if (r < 0)
		return r == -E2BIG ? "something follows the request in its PEM block" :
				     "it is not a PKCS#10 request";
	if (!der_is(&f.version, "\0", 1))
		return "its version is unknown";
	key = csrform_decode_key(&f);
	why = csr_take_fields(&f, key, c);
	csrform_free_key(key);
	return why;
}

int csr_read(const char *pem, size_t len, struct csr *ret, const char **ret_why)
{
	_cleanup_(csr_release) struct csr c = { 0 };
	_cleanup_(csr_free_bytes) unsigned char *der = NULL;
	const char *why;
	long der_len = 0;

	ERR_clear_error();
	why = csr_read_pem(pem, len, &der, &der_len);
	if (!why)
		why = csr_take(der, (size_t)der_len, &c);
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
	OPENSSL_free(c->key);
	free(c->names);
	*c = (struct csr){ 0 };
}
