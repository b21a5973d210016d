/* SPDX-License-Identifier: MIT */
#include "certs/athenz.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/jsonin.h"

#define ATHENZ_CREDENTIAL_MAX 16384 /* bytes of one credential; session tokens are the longest */
#define ATHENZ_SIMPLE "[a-zA-Z0-9_][a-zA-Z0-9_-]*"
#define ATHENZ_COMPOUND "(" ATHENZ_SIMPLE "\\.)*" ATHENZ_SIMPLE
#define ATHENZ_PATH "[a-zA-Z0-9._~=+@$:-]+"

/* ---- memory ---- */

/* An allocation failed while building. jansson says so as it says that a text is not UTF-8, or not
 * at all. */
static bool athenz_starved;

static void *athenz_malloc(size_t size)
{
	void *p = malloc(size);

	athenz_starved |= !p;
	return p;
}

/* What jansson frees may be a copy of live credentials. */
static void athenz_free(void *p)
{
	if (!p)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

static void athenz_use_memory(void)
{
	json_set_alloc_funcs(athenz_malloc, athenz_free);
	athenz_starved = false;
}

/* Wipes and frees the text at @p. */
static void athenz_drop(char **p)
{
	if (*p)
		explicit_bzero(*p, strlen(*p));
	free(*p);
	*p = NULL;
}

void athenz_request_release(struct athenz_request *r)
{
	athenz_drop(&r->evidence);
	athenz_drop(&r->csr);
}

void athenz_identity_release(struct athenz_identity *i)
{
	athenz_drop(&i->cert);
	athenz_drop(&i->signer);
}

void athenz_evidence_release(struct athenz_evidence *e)
{
	athenz_drop(&e->document);
	athenz_drop(&e->signature);
	athenz_drop(&e->access);
	athenz_drop(&e->secret);
	athenz_drop(&e->token);
	athenz_drop(&e->identity_token);
}

/* ---- texts ---- */

static bool athenz_is_word_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

static bool athenz_is_simple(const char *text, size_t len)
{
	if (!len || !athenz_is_word_char(text[0]))
		return false;
	for (size_t i = 1; i < len; i++)
		if (!athenz_is_word_char(text[i]) && text[i] != '-')
			return false;
	return true;
}

static bool athenz_is_compound(const char *text, size_t len)
{
	for (;;) {
		const char *dot = memchr(text, '.', len);
		size_t n = dot ? (size_t)(dot - text) : len;

		if (!athenz_is_simple(text, n))
			return false;
		if (!dot)
			return true;
		text += n + 1;
		len -= n + 1;
	}
}

/* Printable, no blank: what may become part of a header line. */
static bool athenz_is_word(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x21 || text[i] > 0x7e)
			return false;
	return len > 0;
}

/* Base64, perhaps in lines. */
static bool athenz_is_base64(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!athenz_is_word_char(text[i]) && !strchr("+/=\r\n", text[i]))
			return false;
	return true;
}

static bool athenz_is_any(const char *text, size_t len)
{
	return true;
}

static void athenz_lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text | 0x20);
}

/* What people will see: one line of printable ASCII. */
static void athenz_clean(char *text)
{
	for (; *text; text++)
		if (*text < 0x20 || *text > 0x7e)
			*text = '?';
}

/* ---- building ---- */

struct athenz_member {
	const char *name;
	const char *text; /* left out when NULL or "" */
	size_t max;       /* bytes */
};

static int athenz_put(json_t *root, const struct athenz_member *m)
{
	json_t *value;

	if (!m->text || !*m->text)
		return 0;
	if (strlen(m->text) > m->max)
		return -EMSGSIZE;
	value = json_string(m->text);
	if (!value)
		return athenz_starved ? -ENOMEM : -EILSEQ;
	return json_object_set_new(root, m->name, value) < 0 ? -ENOMEM : 0;
}

static int athenz_put_number(json_t *root, const char *name, json_int_t v)
{
	return json_object_set_new(root, name, json_integer(v)) < 0 ? -ENOMEM : 0;
}

/* Makes an object of the members that are there. */
static int athenz_build(const struct athenz_member *members, size_t n, json_t **ret)
{
	_cleanup_(jsonin_freep) json_t *root = NULL;
	int r = 0;

	athenz_use_memory();
	root = json_object();
	if (!root)
		return -ENOMEM;
	for (size_t i = 0; i < n && r == 0; i++)
		r = athenz_put(root, &members[i]);
	if (r == 0)
		*ret = steal_ptr(root);
	return r;
}

static int athenz_write(const json_t *root, size_t max, char **ret)
{
	char *text = json_dumps(root, JSON_COMPACT);

	/* Out of memory jansson may leave a piece out and go on. */
	if (!text || athenz_starved) {
		athenz_drop(&text);
		return -ENOMEM;
	}
	if (strlen(text) > max) {
		athenz_drop(&text);
		return -EMSGSIZE;
	}
	*ret = text;
	return 0;
}

/* What follows the backslash for @c; 0 when it stands for itself. */
static char athenz_escape(char c)
{
	switch (c) {
	case '"':
	case '\\':
		return c;
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	default:
		return 0;
	}
}

/* Puts @text in quotes. Gives the end, NULL where a character is none of those that every text of
 * an issuer consists of. */
static char *athenz_quote(char *to, const char *text)
{
	*to++ = '"';
	for (; *text; text++) {
		char letter = athenz_escape(*text);

		if (!letter && (*text < 0x20 || *text > 0x7e))
			return NULL;
		if (letter)
			*to++ = '\\';
		*to++ = letter ? letter : *text;
	}
	*to++ = '"';
	return to;
}

/* Puts "name":"text" and a comma. Gives the end, or NULL as athenz_quote(). */
static char *athenz_put_plain(char *to, const struct athenz_member *m)
{
	if (!m->text || !*m->text)
		return to;
	to = athenz_quote(to, m->name);
	if (to)
		*to++ = ':';
	to = to ? athenz_quote(to, m->text) : NULL;
	if (to)
		*to++ = ',';
	return to;
}

/* The object of @members as jansson writes it, for a tenth of the time: an issuer does it for each
 * certificate. Errors: 0; -EILSEQ when it needs jansson; -EMSGSIZE; -ENOMEM. */
static int athenz_write_plain(const struct athenz_member *members, size_t n, size_t max, char **ret)
{
	size_t room = 3;
	char *text, *at;

	for (size_t i = 0; i < n; i++) {
		size_t len = members[i].text ? strlen(members[i].text) : 0;

		if (len > members[i].max)
			return -EMSGSIZE;
		room += strlen(members[i].name) + 2 * len + 6;
	}
	text = malloc(room);
	if (!text)
		return -ENOMEM;
	*text = '{';
	at = text + 1;
	for (size_t i = 0; i < n && at; i++)
		at = athenz_put_plain(at, &members[i]);
	if (!at || (size_t)(at - text) > max) {
		free(text);
		return at ? -EMSGSIZE : -EILSEQ;
	}
	at -= at[-1] == ','; /* the bracket is where the last one was */
	memcpy(at, "}", 2);
	*ret = text;
	return 0;
}

/* ---- reading ---- */

static int athenz_parse(const char *bytes, size_t len, size_t max, json_t **ret)
{
	enum pst code;
	int r;

	if (len > max)
		return -EBADMSG;
	r = jsonin_parse(bytes, len, ret, &code);
	athenz_use_memory();
	return r;
}

/* Borrows the string @name; NULL when it is absent or null, which Athenz does not tell apart. */
static int athenz_get(const json_t *root, const char *name, const char **ret, size_t *ret_len)
{
	const json_t *value = json_object_get(root, name);

	*ret = NULL;
	*ret_len = 0;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return -EBADMSG;
	*ret = json_string_value(value);
	*ret_len = json_string_length(value);
	return 0;
}

typedef bool athenz_check_fn(const char *text, size_t len);

/* Copies the string @name of at most @cap - 1 bytes; "" when it is absent. */
static int athenz_copy(const json_t *root, const char *name, athenz_check_fn *check, char *ret,
		       size_t cap)
{
	const char *text;
	size_t len;

	if (athenz_get(root, name, &text, &len) < 0 || len >= cap || (text && !check(text, len)))
		return -EBADMSG;
	if (len)
		memcpy(ret, text, len);
	ret[len] = '\0';
	return 0;
}

/* Gives a copy of the string @name of at most @max bytes, "" when it is absent. */
static int athenz_take(const json_t *root, const char *name, athenz_check_fn *check, size_t max,
		       char **ret)
{
	const char *text;
	size_t len;
	char *copy;

	if (athenz_get(root, name, &text, &len) < 0 || len > max || (len && !check(text, len)))
		return -EBADMSG;
	copy = strndup(text ? text : "", len);
	if (!copy)
		return -ENOMEM;
	*ret = copy;
	return 0;
}

/* As athenz_take(), NULL when it is absent or empty. */
static int athenz_take_credential(const json_t *root, const char *name, char **ret)
{
	int r = athenz_take(root, name, athenz_is_word, ATHENZ_CREDENTIAL_MAX, ret);

	if (r == 0 && !**ret)
		athenz_drop(ret);
	return r;
}

/* ---- requests ---- */

enum { ATHENZ_REGISTER_ONLY = 1 << 0, ATHENZ_REQUIRED = 1 << 1, ATHENZ_LOWER = 1 << 2 };

/* A name in a request. */
struct athenz_rule {
	const char *name;
	size_t offset, size;
	athenz_check_fn *check;
	const char *pattern; /* @check in Athenz' words */
	unsigned int flags;
};

#define ATHENZ_FIELD(f) offsetof(struct athenz_request, f), sizeof(((struct athenz_request *)0)->f)
#define ATHENZ_NAMED (ATHENZ_REGISTER_ONLY | ATHENZ_REQUIRED | ATHENZ_LOWER)

static const struct athenz_rule athenz_rules[] = {
	{ "provider", ATHENZ_FIELD(provider), athenz_is_compound, ATHENZ_COMPOUND, ATHENZ_NAMED },
	{ "domain", ATHENZ_FIELD(domain), athenz_is_compound, ATHENZ_COMPOUND, ATHENZ_NAMED },
	{ "service", ATHENZ_FIELD(service), athenz_is_simple, ATHENZ_SIMPLE, ATHENZ_NAMED },
	{ "hostname", ATHENZ_FIELD(hostname), athenz_is_compound, ATHENZ_COMPOUND, 0 },
	{ "namespace", ATHENZ_FIELD(name_space), athenz_is_simple, ATHENZ_SIMPLE, 0 },
	{ "cloud", ATHENZ_FIELD(cloud), athenz_is_simple, ATHENZ_SIMPLE, 0 },
	{ "x509CertInstanceId", ATHENZ_FIELD(instance_id), principal_is_instance_id, ATHENZ_PATH,
	  ATHENZ_REGISTER_ONLY },
};

/* One request that is being read. */
struct athenz_reading {
	const json_t *root;
	bool registering;
	struct athenz_problem *problem;
};

static void athenz_say(struct athenz_problem *problem, const char *format, ...) _printf_(2, 3);

static void athenz_say(struct athenz_problem *problem, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(problem->text, sizeof(problem->text), format, ap);
	va_end(ap);
	athenz_clean(problem->text);
}

/* "Invalid InstanceRegisterInformation error: <what>: <detail>". */
static int athenz_refuse(const struct athenz_reading *in, const char *what, const char *detail)
{
	athenz_say(in->problem, "Invalid Instance%sInformation error: %s: %s",
		   in->registering ? "Register" : "Refresh", what, detail);
	return -EBADMSG;
}

static int athenz_refuse_type(const struct athenz_reading *in, const char *name, const char *type)
{
	athenz_say(in->problem, "Invalid Object: %s must be %s", name, type);
	return -EBADMSG;
}

static int athenz_refuse_pattern(const struct athenz_reading *in, const struct athenz_rule *rule,
				 const char *text)
{
	char detail[ATHENZ_MESSAGE_MAX];

	snprintf(detail, sizeof(detail), "%s: expected %s, got '%.128s'", rule->name, rule->pattern,
		 text);
	return athenz_refuse(in, "String pattern mismatch", detail);
}

static int athenz_take_name(const struct athenz_reading *in, const struct athenz_rule *rule,
			    struct athenz_request *out)
{
	char *to = (char *)out + rule->offset;
	const char *text;
	size_t len;

	if (athenz_get(in->root, rule->name, &text, &len) < 0)
		return athenz_refuse_type(in, rule->name, "a string");
	if (!text && (rule->flags & ATHENZ_REQUIRED))
		return athenz_refuse(in, "Missing required field", rule->name);
	/* The pattern of a path element allows "". */
	if (!text || (!len && rule->check == principal_is_instance_id))
		return 0;
	if (len >= rule->size)
		return athenz_refuse(in, "String too long", rule->name);
	if (!rule->check(text, len))
		return athenz_refuse_pattern(in, rule, text);
	memcpy(to, text, len + 1);
	if (rule->flags & ATHENZ_LOWER)
		athenz_lower(to);
	return 0;
}

static int athenz_take_names(const struct athenz_reading *in, struct athenz_request *out)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(athenz_rules) && r == 0; i++)
		if (in->registering || !(athenz_rules[i].flags & ATHENZ_REGISTER_ONLY))
			r = athenz_take_name(in, &athenz_rules[i], out);
	if (r == 0 && strlen(out->domain) + 1 + strlen(out->service) >= PRINCIPAL_MAX)
		return athenz_refuse(in, "String too long", "domain and service");
	return r;
}

static int athenz_take_long(const struct athenz_reading *in, const char *name, size_t max,
			    char **ret)
{
	const char *text;
	size_t len;

	if (athenz_get(in->root, name, &text, &len) < 0)
		return athenz_refuse_type(in, name, "a string");
	if (len > max)
		return athenz_refuse(in, "String too long", name);
	return athenz_take(in->root, name, athenz_is_any, max, ret);
}

static int athenz_take_expiry(const struct athenz_reading *in, int32_t *ret)
{
	const json_t *value = json_object_get(in->root, "expiryTime");
	json_int_t v;

	if (!value || json_is_null(value))
		return 0;
	v = json_integer_value(value);
	if (!json_is_integer(value) || v < 0 || v > INT32_MAX)
		return athenz_refuse_type(in, "expiryTime", "an integer of 0...2147483647");
	*ret = (int32_t)v;
	return 0;
}

static int athenz_take_request(const struct athenz_reading *in, struct athenz_request *ret)
{
	_cleanup_(athenz_request_release) struct athenz_request out = { 0 };
	int r = athenz_take_names(in, &out);

	if (r == 0)
		r = athenz_take_expiry(in, &out.expiry_min);
	if (r == 0)
		r = athenz_take_long(in, "attestationData", ATHENZ_EVIDENCE_MAX, &out.evidence);
	if (r == 0)
		r = athenz_take_long(in, "csr", ATHENZ_CSR_MAX, &out.csr);
	if (r < 0)
		return r;
	*ret = out;
	out.evidence = out.csr = NULL;
	return 0;
}

int athenz_decode_request(const char *bytes, size_t len, bool registering,
			  struct athenz_request *ret, struct athenz_problem *ret_problem)
{
	_cleanup_(jsonin_freep) json_t *root = NULL;
	struct athenz_reading in = { NULL, registering, ret_problem };
	enum pst code = PST_BODY_TOO_LARGE;
	int r = -EBADMSG;

	if (len <= ATHENZ_REQUEST_MAX)
		r = jsonin_parse(bytes, len, &root, &code);
	if (r == -EBADMSG)
		athenz_say(ret_problem, "Invalid Object: %s", pst_text((unsigned int)code));
	if (r < 0)
		return r;
	athenz_use_memory();
	in.root = root;
	return athenz_take_request(&in, ret);
}

int athenz_encode_request(const struct athenz_request *in, bool registering, char **ret)
{
	const struct athenz_member members[] = {
		{ "provider", registering ? in->provider : NULL, ATHENZ_NAME_MAX },
		{ "domain", registering ? in->domain : NULL, ATHENZ_NAME_MAX },
		{ "service", registering ? in->service : NULL, ATHENZ_NAME_MAX },
		{ "attestationData", in->evidence, ATHENZ_EVIDENCE_MAX },
		{ "csr", in->csr, ATHENZ_CSR_MAX },
		{ "hostname", in->hostname, ATHENZ_NAME_MAX },
		{ "namespace", in->name_space, ATHENZ_NAME_MAX },
		{ "cloud", in->cloud, ATHENZ_NAME_MAX },
		{ "x509CertInstanceId", registering ? in->instance_id : NULL, ATHENZ_NAME_MAX },
	};
	_cleanup_(jsonin_freep) json_t *root = NULL;
	int r = athenz_build(members, ARRAY_SIZE(members), &root);

	if (r == 0 && in->expiry_min)
		r = athenz_put_number(root, "expiryTime", in->expiry_min);
	return r < 0 ? r : athenz_write(root, ATHENZ_REQUEST_MAX, ret);
}

/* ---- answers ---- */

int athenz_encode_identity(const struct athenz_identity *in, char **ret)
{
	const struct athenz_member members[] = {
		{ "provider", in->provider, ATHENZ_NAME_MAX },
		{ "name", in->name, ATHENZ_NAME_MAX },
		{ "instanceId", in->instance_id, ATHENZ_NAME_MAX },
		{ "x509Certificate", in->cert, ATHENZ_PEM_MAX },
		{ "x509CertificateSigner", in->signer, ATHENZ_PEM_MAX },
	};
	_cleanup_(jsonin_freep) json_t *root = NULL;
	int r = athenz_write_plain(members, ARRAY_SIZE(members), ATHENZ_RESPONSE_MAX, ret);

	if (r != -EILSEQ)
		return r;
	r = athenz_build(members, ARRAY_SIZE(members), &root);
	return r < 0 ? r : athenz_write(root, ATHENZ_RESPONSE_MAX, ret);
}

/* The three names, all of which an answer must have. */
static int athenz_copy_identity(const json_t *root, struct athenz_identity *out)
{
	struct principal p;
	char name[PRINCIPAL_MAX] = "";

	if (athenz_copy(root, "provider", athenz_is_compound, out->provider,
			sizeof(out->provider)) < 0 ||
	    athenz_copy(root, "name", athenz_is_compound, name, sizeof(name)) < 0 ||
	    athenz_copy(root, "instanceId", principal_is_instance_id, out->instance_id,
			sizeof(out->instance_id)) < 0)
		return -EBADMSG;
	if (!out->provider[0] || !out->instance_id[0] || principal_parse(name, strlen(name), &p))
		return -EBADMSG;
	athenz_lower(out->provider);
	memcpy(out->name, p.name, sizeof(out->name));
	return 0;
}

int athenz_decode_identity(const char *bytes, size_t len, struct athenz_identity *ret)
{
	_cleanup_(jsonin_freep) json_t *root = NULL;
	_cleanup_(athenz_identity_release) struct athenz_identity out = { 0 };
	int r = athenz_parse(bytes, len, ATHENZ_RESPONSE_MAX, &root);

	if (r == 0)
		r = athenz_copy_identity(root, &out);
	if (r == 0)
		r = athenz_take(root, "x509Certificate", athenz_is_any, ATHENZ_PEM_MAX, &out.cert);
	if (r == 0 && !*out.cert)
		r = -EBADMSG;
	if (r == 0)
		r = athenz_take(root, "x509CertificateSigner", athenz_is_any, ATHENZ_PEM_MAX,
				&out.signer);
	if (r < 0)
		return r;
	*ret = out;
	out.cert = out.signer = NULL;
	return 0;
}

int athenz_encode_error(const struct athenz_error *in, char **ret)
{
	char text[ATHENZ_MESSAGE_MAX];
	const struct athenz_member members[] = { { "message", text, ATHENZ_MESSAGE_MAX } };
	_cleanup_(jsonin_freep) json_t *root = NULL;
	int r;

	snprintf(text, sizeof(text), "%s", in->message);
	athenz_clean(text);
	r = athenz_build(members, ARRAY_SIZE(members), &root);
	if (r == 0)
		r = athenz_put_number(root, "code", in->code);
	return r < 0 ? r : athenz_write(root, ATHENZ_RESPONSE_MAX, ret);
}

/* Keeps the beginning of @text. */
static void athenz_keep(const char *text, size_t len, struct athenz_error *out)
{
	if (len >= sizeof(out->message))
		len = sizeof(out->message) - 1;
	if (len)
		memcpy(out->message, text, len);
	out->message[len] = '\0';
	/* A NUL would end the text too early to be seen. */
	for (size_t i = 0; i < len; i++)
		if (!out->message[i])
			out->message[i] = '?';
	athenz_clean(out->message);
}

void athenz_decode_error(const char *bytes, size_t len, struct athenz_error *ret)
{
	_cleanup_(jsonin_freep) json_t *root = NULL;
	struct athenz_error out = { 0 };
	const char *text = NULL;
	size_t text_len = 0;
	uint64_t code;

	if (athenz_parse(bytes, len, ATHENZ_RESPONSE_MAX, &root) < 0) {
		athenz_keep(bytes, len, &out);
	} else {
		if (athenz_get(root, "message", &text, &text_len) == 0)
			athenz_keep(text, text_len, &out);
		if (jsonin_u64(root, "code", 100, 599, &code) == 0)
			out.code = (unsigned int)code;
	}
	*ret = out;
}

static bool athenz_begins(const char *message, const char *with)
{
	return strncasecmp(message, with, strlen(with)) == 0;
}

/* 403: the words decide. */
static enum pst athenz_classify_forbidden(const char *message)
{
	if (athenz_begins(message, "Certificate revoked") ||
	    athenz_begins(message, "Unable to find certificate record"))
		return PST_ZTS_REVOKED;
	if (strcasestr(message, "boot time is not recent"))
		return PST_ZTS_BOOT_WINDOW;
	if (athenz_begins(message, "unable to verify attestation data"))
		return PST_ZTS_ATTESTATION;
	return PST_ZTS_REFUSED;
}

enum pst athenz_classify(unsigned int status, const char *message)
{
	if (!message)
		message = "";
	if (status / 100 == 2)
		return PST_NONE;
	if (status / 100 != 4 || (status == 400 && strcasestr(message, "Read-Only")))
		return PST_ZTS_UNREACHABLE;
	if (status == 401)
		return PST_CERT_REFUSED;
	if (status == 429)
		return PST_ZTS_BUSY;
	return status == 403 ? athenz_classify_forbidden(message) : PST_ZTS_REFUSED;
}

/* ---- AWS: evidence, and what it is made of ---- */

int athenz_encode_evidence(const struct athenz_evidence *in, char **ret)
{
	const struct athenz_member members[] = {
		{ "role", in->role, ATHENZ_NAME_MAX },
		{ "document", in->document, ATHENZ_DOCUMENT_MAX },
		{ "signature", in->signature, ATHENZ_EVIDENCE_MAX },
		{ "access", in->access, ATHENZ_CREDENTIAL_MAX },
		{ "secret", in->secret, ATHENZ_CREDENTIAL_MAX },
		{ "token", in->token, ATHENZ_CREDENTIAL_MAX },
		{ "identityToken", in->identity_token, ATHENZ_CREDENTIAL_MAX },
	};
	_cleanup_(jsonin_freep) json_t *root = NULL;
	int r = athenz_build(members, ARRAY_SIZE(members), &root);

	return r < 0 ? r : athenz_write(root, ATHENZ_EVIDENCE_MAX, ret);
}

/* All three or none: half of them is an error of the sender. */
static int athenz_take_keys(const json_t *root, const char *const names[static 3],
			    struct athenz_evidence *out)
{
	int r = athenz_take_credential(root, names[0], &out->access);

	if (r == 0)
		r = athenz_take_credential(root, names[1], &out->secret);
	if (r == 0)
		r = athenz_take_credential(root, names[2], &out->token);
	if (r == 0 && (!out->access != !out->secret || !out->access != !out->token))
		r = -EBADMSG;
	return r;
}

int athenz_decode_evidence(const char *bytes, size_t len, struct athenz_evidence *ret)
{
	static const char *const names[] = { "access", "secret", "token" };
	_cleanup_(jsonin_freep) json_t *root = NULL;
	_cleanup_(athenz_evidence_release) struct athenz_evidence out = { 0 };
	int r = athenz_parse(bytes, len, ATHENZ_EVIDENCE_MAX, &root);

	if (r == 0)
		r = athenz_copy(root, "role", athenz_is_compound, out.role, sizeof(out.role));
	if (r == 0)
		r = athenz_take(root, "document", athenz_is_any, ATHENZ_DOCUMENT_MAX,
				&out.document);
	if (r == 0)
		r = athenz_take(root, "signature", athenz_is_base64, ATHENZ_EVIDENCE_MAX,
				&out.signature);
	if (r == 0)
		r = athenz_take_keys(root, names, &out);
	if (r == 0)
		r = athenz_take_credential(root, "identityToken", &out.identity_token);
	if (r < 0)
		return r;
	*ret = out;
	out = (struct athenz_evidence){ 0 };
	return 0;
}

/* @n digits at @text as a number, -1 when they are none. */
static int athenz_digits(const char *text, size_t n)
{
	int v = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		v = v * 10 + (text[i] - '0');
	}
	return v;
}

static int athenz_month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* Days from 1970-01-01 to a date of the years 1970...9999. */
static int athenz_days(int year, int month, int day)
{
	int before = year - 1;
	int days = 365 * (year - 1970) + (before / 4 - before / 100 + before / 400) -
		   (1969 / 4 - 1969 / 100 + 1969 / 400);

	for (int m = 1; m < month; m++)
		days += athenz_month_days(year, m);
	return days + day - 1;
}

/* Reads "2026-11-20T01:02:03Z". Not timegm(), which may open the time zone's file. */
static int athenz_parse_time(const char *text, uint64_t *ret)
{
	static const struct {
		size_t at, n;
		int min, max;
		char after;
	} parts[] = { { 0, 4, 1970, 9999, '-' }, { 5, 2, 1, 12, '-' },  { 8, 2, 1, 31, 'T' },
		      { 11, 2, 0, 23, ':' },     { 14, 2, 0, 59, ':' }, { 17, 2, 0, 59, 'Z' } };
	int v[ARRAY_SIZE(parts)];

	if (strlen(text) != 20)
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		v[i] = athenz_digits(text + parts[i].at, parts[i].n);
		if (v[i] < parts[i].min || v[i] > parts[i].max ||
		    text[parts[i].at + parts[i].n] != parts[i].after)
			return -EBADMSG;
	}
	if (v[2] > athenz_month_days(v[0], v[1]))
		return -EBADMSG;
	*ret = (uint64_t)athenz_days(v[0], v[1], v[2]) * 86400 +
	       (uint64_t)(v[3] * 3600 + v[4] * 60 + v[5]);
	return 0;
}

static bool athenz_is_account(const char *text, size_t len)
{
	return len > 0 && strspn(text, "0123456789") == len;
}

static bool athenz_is_region(const char *text, size_t len)
{
	return len > 0 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static bool athenz_is_address(const char *text, size_t len)
{
	struct in6_addr addr; /* has room for an IPv4 address too */

	return inet_pton(AF_INET, text, &addr) == 1 || inet_pton(AF_INET6, text, &addr) == 1;
}

/* Which machine, and where. */
static int athenz_copy_place(const json_t *root, struct athenz_document *out)
{
	if (athenz_copy(root, "accountId", athenz_is_account, out->account, sizeof(out->account)) ||
	    athenz_copy(root, "instanceId", principal_is_instance_id, out->instance_id,
			sizeof(out->instance_id)) ||
	    athenz_copy(root, "region", athenz_is_region, out->region, sizeof(out->region)) ||
	    athenz_copy(root, "privateIp", athenz_is_address, out->private_ip,
			sizeof(out->private_ip)))
		return -EBADMSG;
	return out->account[0] && out->instance_id[0] && out->region[0] ? 0 : -EBADMSG;
}

int athenz_decode_document(const char *bytes, size_t len, struct athenz_document *ret)
{
	_cleanup_(jsonin_freep) json_t *root = NULL;
	struct athenz_document out = { 0 };
	char pending[32] = "";
	int r = athenz_parse(bytes, len, ATHENZ_DOCUMENT_MAX, &root);

	if (r == 0)
		r = athenz_copy_place(root, &out);
	if (r == 0)
		r = athenz_copy(root, "pendingTime", athenz_is_word, pending, sizeof(pending));
	if (r == 0)
		r = athenz_parse_time(pending, &out.pending_wall);
	if (r == 0)
		*ret = out;
	return r;
}

int athenz_decode_credentials(const char *bytes, size_t len, struct athenz_evidence *ret)
{
	static const char *const names[] = { "AccessKeyId", "SecretAccessKey", "Token" };
	_cleanup_(jsonin_freep) json_t *root = NULL;
	_cleanup_(athenz_evidence_release) struct athenz_evidence out = { 0 };
	char code[32] = "";
	int r = athenz_parse(bytes, len, ATHENZ_EVIDENCE_MAX, &root);

	/* "Code" says whether there are any; it is absent in other sources of the same form. */
	if (r == 0 && (athenz_copy(root, "Code", athenz_is_word, code, sizeof(code)) < 0 ||
		       (code[0] && strcmp(code, "Success") != 0)))
		r = -EBADMSG;
	if (r == 0)
		r = athenz_take_keys(root, names, &out);
	if (r == 0 && !out.access)
		r = -EBADMSG;
	if (r < 0)
		return r;
	athenz_drop(&ret->access);
	athenz_drop(&ret->secret);
	athenz_drop(&ret->token);
	ret->access = steal_ptr(out.access);
	ret->secret = steal_ptr(out.secret);
	ret->token = steal_ptr(out.token);
	return 0;
}

int athenz_decode_profile(const char *bytes, size_t len, char *ret, size_t cap)
{
	_cleanup_(jsonin_freep) json_t *root = NULL;
	char arn[ATHENZ_DOCUMENT_MAX] = "";
	int r = athenz_parse(bytes, len, ATHENZ_DOCUMENT_MAX, &root);

	if (r < 0)
		return r;
	if (athenz_copy(root, "InstanceProfileArn", athenz_is_word, arn, sizeof(arn)) < 0 ||
	    !arn[0] || strlen(arn) >= cap)
		return -EBADMSG;
	snprintf(ret, cap, "%s", arn);
	return 0;
}
