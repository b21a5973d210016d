/* SPDX-License-Identifier: MIT */
#include "certs/ztsd/jwt.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "certs/awsarn.h"
#include "certs/ztsd/b64url.h"
#include "common/files.h"
#include "common/jsonin.h"

#define COORDINATE_BYTES 48 /* of P-384 */
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096
#define EXPONENT_BYTES_MAX 4
#define AWS_CLAIMS "https://sts.amazonaws.com/"

enum jwt_alg { JWT_NONE, JWT_ES384, JWT_RS256 };

struct jwt_key {
	char kid[JWT_KID_MAX];
	enum jwt_alg alg;
	EVP_PKEY *key; /* owned */
};

struct jwt_keys {
	const char *path; /* borrowed; NULL when the document came from memory */
	struct stat seen; /* of the file */
	size_t n;
	struct jwt_key of[JWT_KEYS_MAX];
};

/* A token in its parts. Borrowed from it but for the signature. */
struct jwt_parts {
	const char *header, *payload;
	size_t header_len, payload_len, signed_len; /* of the text under the signature */
	uint8_t signature[RSA_BITS_MAX / 8];
	size_t signature_len;
};

static void free_bn(BIGNUM **p)
{
	BN_free(*p);
}

static void free_builder(OSSL_PARAM_BLD **p)
{
	OSSL_PARAM_BLD_free(*p);
}

static void free_params(OSSL_PARAM **p)
{
	OSSL_PARAM_free(*p);
}

static void free_pkey_ctx(EVP_PKEY_CTX **p)
{
	EVP_PKEY_CTX_free(*p);
}

static void free_md_ctx(EVP_MD_CTX **p)
{
	EVP_MD_CTX_free(*p);
}

static void free_pkey(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

static void free_ecdsa(ECDSA_SIG **p)
{
	ECDSA_SIG_free(*p);
}

static void free_openssl(unsigned char **p)
{
	OPENSSL_free(*p);
}

void jwt_keys_free(struct jwt_keys *keys)
{
	for (size_t i = 0; keys && i < keys->n; i++)
		EVP_PKEY_free(keys->of[i].key);
	free(keys);
}

void jwt_keys_freep(struct jwt_keys **p)
{
	jwt_keys_free(*p);
}

/* ---- keys ---- */

static int finish_key(const char *type, OSSL_PARAM_BLD *builder, EVP_PKEY **ret)
{
	_cleanup_(free_params) OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
	_cleanup_(free_pkey_ctx) EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	_cleanup_(free_pkey_ctx) EVP_PKEY_CTX *checker = NULL;
	_cleanup_(free_pkey) EVP_PKEY *key = NULL;

	if (!params || !maker || EVP_PKEY_fromdata_init(maker) != 1 ||
	    EVP_PKEY_fromdata(maker, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return -EINVAL;
	checker = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
	if (!checker || EVP_PKEY_public_check(checker) != 1)
		return -EINVAL;
	*ret = steal_ptr(key);
	return 0;
}

static int decode_member(const json_t *jwk, const char *name, uint8_t *ret, size_t cap,
			 size_t *ret_len)
{
	const char *text = json_string_value(json_object_get(jwk, name));

	return text ? b64url_decode(text, strlen(text), ret, cap, ret_len) : -EINVAL;
}

static int make_ec(const json_t *jwk, EVP_PKEY **ret)
{
	_cleanup_(free_builder) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	uint8_t point[1 + 2 * COORDINATE_BYTES] = { POINT_CONVERSION_UNCOMPRESSED };
	size_t x = 0, y = 0;

	if (decode_member(jwk, "x", point + 1, COORDINATE_BYTES, &x) < 0 ||
	    decode_member(jwk, "y", point + 1 + COORDINATE_BYTES, COORDINATE_BYTES, &y) < 0 ||
	    x != COORDINATE_BYTES || y != COORDINATE_BYTES)
		return -EINVAL;
	if (!builder ||
	    !OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, "P-384", 0) ||
	    !OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
					      sizeof(point)))
		return -ENOMEM;
	return finish_key("EC", builder, ret);
}

static int make_rsa(const json_t *jwk, EVP_PKEY **ret)
{
	_cleanup_(free_builder) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
	_cleanup_(free_bn) BIGNUM *modulus = NULL;
	_cleanup_(free_bn) BIGNUM *exponent = NULL;
	uint8_t n[RSA_BITS_MAX / 8 + 1], e[EXPONENT_BYTES_MAX];
	size_t n_len, e_len;

	if (decode_member(jwk, "n", n, sizeof(n), &n_len) < 0 ||
	    decode_member(jwk, "e", e, sizeof(e), &e_len) < 0)
		return -EINVAL;
	modulus = BN_bin2bn(n, (int)n_len, NULL);
	exponent = BN_bin2bn(e, (int)e_len, NULL);
	if (!builder || !modulus || !exponent)
		return -ENOMEM;
	if (BN_num_bits(modulus) < RSA_BITS_MIN || BN_num_bits(modulus) > RSA_BITS_MAX ||
	    !BN_is_odd(modulus) || !BN_is_odd(exponent) || BN_num_bits(exponent) < 17)
		return -EINVAL;
	if (!OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) ||
	    !OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, exponent))
		return -ENOMEM;
	return finish_key("RSA", builder, ret);
}

/* Whether the member, when it is there, is this text. */
static bool may_be(const json_t *object, const char *name, const char *text)
{
	const json_t *value = json_object_get(object, name);

	return !value || (json_is_string(value) && !strcmp(json_string_value(value), text));
}

static bool is_text(const json_t *object, const char *name, const char *text)
{
	return json_object_get(object, name) && may_be(object, name, text);
}

static enum jwt_alg alg_of_key(const json_t *jwk)
{
	if (!may_be(jwk, "use", "sig"))
		return JWT_NONE;
	if (is_text(jwk, "kty", "EC") && is_text(jwk, "crv", "P-384") &&
	    may_be(jwk, "alg", "ES384"))
		return JWT_ES384;
	if (is_text(jwk, "kty", "RSA") && may_be(jwk, "alg", "RS256"))
		return JWT_RS256;
	return JWT_NONE;
}

static const struct jwt_key *find_key(const struct jwt_keys *keys, const char *kid)
{
	for (size_t i = 0; i < keys->n; i++)
		if (!strcmp(keys->of[i].kid, kid))
			return &keys->of[i];
	return NULL;
}

static int add_key(const json_t *jwk, struct jwt_keys *keys, const char **ret_why)
{
	struct jwt_key *key = &keys->of[keys->n];
	int r;

	key->alg = alg_of_key(jwk);
	if (key->alg == JWT_NONE)
		return 0;
	if (jsonin_str(jwk, "kid", key->kid, sizeof(key->kid)) < 0) {
		*ret_why = "a key has no name (kid)";
		return -EINVAL;
	}
	if (find_key(keys, key->kid)) {
		*ret_why = "two keys have the same name (kid)";
		return -EINVAL;
	}
	r = key->alg == JWT_ES384 ? make_ec(jwk, &key->key) : make_rsa(jwk, &key->key);
	if (r < 0) {
		*ret_why = "a key is no good P-384 key and no RSA key of 2048...4096 bits";
		return r;
	}
	keys->n++;
	return 0;
}

static int add_keys(const json_t *list, struct jwt_keys *keys, const char **ret_why)
{
	const json_t *jwk;
	size_t i;
	int r;

	json_array_foreach(list, i, jwk)
	{
		r = add_key(jwk, keys, ret_why);
		if (r < 0)
			return r;
	}
	if (keys->n == 0) {
		*ret_why = "no key in it is for signatures with ES384 or RS256";
		return -EINVAL;
	}
	return 0;
}

static int parse_keys(const json_t *root, struct jwt_keys *keys, const char **ret_why)
{
	const json_t *list;
	int r;

	if (jsonin_array(root, "keys", 0, SIZE_MAX, &list) < 0) {
		*ret_why = "not a JWKS document: no list \"keys\"";
		return -EINVAL;
	}
	if (json_array_size(list) > JWT_KEYS_MAX) {
		*ret_why = "more than 64 keys";
		return -E2BIG;
	}
	r = add_keys(list, keys, ret_why);
	ERR_clear_error();
	return r;
}

int jwt_keys_parse(const char *bytes, size_t len, struct jwt_keys **ret, const char **ret_why)
{
	_cleanup_(jwt_keys_freep) struct jwt_keys *keys = calloc(1, sizeof(*keys));
	_cleanup_(jsonin_freep) json_t *root = NULL;
	enum pst code;
	int r;

	if (!keys)
		return -ENOMEM;
	r = jsonin_parse(bytes, len, &root, &code);
	if (r == -EBADMSG) {
		*ret_why = "not a JSON object";
		return -EINVAL;
	}
	if (r == 0)
		r = parse_keys(root, keys, ret_why);
	if (r < 0)
		return r;
	*ret = steal_ptr(keys);
	return 0;
}

static int fail_load(char *ret_why, const char *path, const char *what, int error)
{
	snprintf(ret_why, JWT_WHY_MAX, "%.150s: %s", path, what);
	return error;
}

int jwt_keys_load(const char *path, struct jwt_keys **ret, char ret_why[static JWT_WHY_MAX])
{
	_cleanup_(files_freep) uint8_t *bytes = NULL;
	struct jwt_keys *keys;
	const char *why = strerror(ENOMEM);
	struct stat st;
	size_t len;
	int r = stat(path, &st) < 0 ? -errno : 0;

	if (r == 0)
		r = files_read(path, JWT_FILE_MAX, &bytes, &len);
	if (r < 0)
		return fail_load(ret_why, path, strerror(-r), r);
	r = jwt_keys_parse((const char *)bytes, len, &keys, &why);
	if (r < 0)
		return fail_load(ret_why, path, why, r);
	keys->path = path;
	keys->seen = st;
	*ret = keys;
	return 0;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int jwt_keys_refresh(struct jwt_keys *keys, char ret_why[static JWT_WHY_MAX])
{
	struct jwt_keys *fresh, old;
	struct stat st;
	int r;

	if (!keys->path || (stat(keys->path, &st) == 0 && is_same_file(&st, &keys->seen)))
		return 0;
	r = jwt_keys_load(keys->path, &fresh, ret_why);
	if (r < 0)
		return r;
	old = *keys;
	*keys = *fresh;
	*fresh = old;
	jwt_keys_free(fresh);
	return 0;
}

/* ---- tokens ---- */

static int refuse(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EBADMSG;
}

static int split(const char *token, struct jwt_parts *ret)
{
	const char *first = strchr(token, '.');
	const char *second = first ? strchr(first + 1, '.') : NULL;

	if (!second)
		return -EBADMSG;
	ret->header = token;
	ret->header_len = (size_t)(first - token);
	ret->payload = first + 1;
	ret->payload_len = (size_t)(second - first) - 1;
	ret->signed_len = (size_t)(second - token);
	return b64url_decode(second + 1, strlen(second + 1), ret->signature, sizeof(ret->signature),
			     &ret->signature_len) < 0 ?
		       -EBADMSG :
		       0;
}

/* Decodes one part, which must be a JSON object. */
static int parse_part(const char *text, size_t len, json_t **ret)
{
	uint8_t bytes[JWT_TOKEN_MAX];
	enum pst code;
	size_t n;

	if (b64url_decode(text, len, bytes, sizeof(bytes), &n) < 0)
		return -EBADMSG;
	return jsonin_parse((const char *)bytes, n, ret, &code);
}

static enum jwt_alg alg_of_header(const json_t *header)
{
	if (is_text(header, "alg", "ES384"))
		return JWT_ES384;
	if (is_text(header, "alg", "RS256"))
		return JWT_RS256;
	return JWT_NONE;
}

static int choose_key(const struct jwt_keys *keys, const struct jwt_parts *parts,
		      const struct jwt_key **ret, const char **ret_why)
{
	_cleanup_(jsonin_freep) json_t *header = NULL;
	char kid[JWT_KID_MAX];
	int r = parse_part(parts->header, parts->header_len, &header);

	if (r == -EBADMSG)
		return refuse(ret_why, "the token's header cannot be read");
	if (r < 0)
		return r;
	if (alg_of_header(header) == JWT_NONE)
		return refuse(ret_why, "the token is not signed with ES384 or RS256");
	/* Extensions that must be understood: RFC 7515, section 4.1.11. */
	if (json_object_get(header, "crit"))
		return refuse(ret_why, "the token has extensions that are not known");
	if (jsonin_str(header, "kid", kid, sizeof(kid)) < 0)
		return refuse(ret_why, "the token does not name its key");
	*ret = find_key(keys, kid);
	if (!*ret)
		return refuse(ret_why, "the token's key is not in the issuer's key file");
	if ((*ret)->alg != alg_of_header(header))
		return refuse(ret_why, "the token's algorithm is not that of its key");
	return 0;
}

/* A token has the two numbers side by side where OpenSSL wants them in DER. */
static int encode_ecdsa(const struct jwt_parts *parts, unsigned char **ret, size_t *ret_len)
{
	_cleanup_(free_ecdsa) ECDSA_SIG *sig = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(parts->signature, COORDINATE_BYTES, NULL);
	BIGNUM *s = BN_bin2bn(parts->signature + COORDINATE_BYTES, COORDINATE_BYTES, NULL);
	int len;

	if (!sig || !r || !s || ECDSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		return -ENOMEM;
	}
	len = i2d_ECDSA_SIG(sig, ret);
	if (len <= 0)
		return -ENOMEM;
	*ret_len = (size_t)len;
	return 0;
}

static int check_signature(const struct jwt_key *key, const struct jwt_parts *parts,
			   const char **ret_why)
{
	_cleanup_(free_md_ctx) EVP_MD_CTX *md = EVP_MD_CTX_new();
	_cleanup_(free_openssl) unsigned char *der = NULL;
	const EVP_MD *hash = key->alg == JWT_ES384 ? EVP_sha384() : EVP_sha256();
	const unsigned char *signature = parts->signature;
	size_t len = parts->signature_len;
	int r = 0;

	if (key->alg == JWT_ES384) {
		if (len != sizeof(uint8_t[2 * COORDINATE_BYTES]))
			return refuse(ret_why, "the token's signature is wrong");
		r = encode_ecdsa(parts, &der, &len);
		signature = der;
	}
	if (r < 0)
		return r;
	if (!md || EVP_DigestVerifyInit(md, NULL, hash, NULL, key->key) != 1)
		return -ENOMEM;
	if (EVP_DigestVerify(md, signature, len, (const unsigned char *)parts->header,
			     parts->signed_len) != 1)
		return refuse(ret_why, "the token's signature is wrong");
	return 0;
}

static int check_times(const json_t *payload, uint64_t now, const char **ret_why)
{
	uint64_t expires, made, from = 0;
	const uint64_t max = UINT32_MAX * 60ULL;

	if (jsonin_u64(payload, "exp", 0, max, &expires) < 0 ||
	    jsonin_u64(payload, "iat", 0, max, &made) < 0 ||
	    (json_object_get(payload, "nbf") && jsonin_u64(payload, "nbf", 0, max, &from) < 0))
		return refuse(ret_why, "the token's times are missing or wrong");
	if (expires <= made || expires - made > JWT_LIFETIME_MAX_S)
		return refuse(ret_why,
			      "the token is valid for longer than an hour, or for no time");
	if (expires + JWT_SKEW_S <= now)
		return refuse(ret_why, "the token's time is over");
	if (made > now + JWT_SKEW_S || from > now + JWT_SKEW_S)
		return refuse(ret_why, "the token's time has not come");
	return 0;
}

/* One audience, as a text or as a list of one. */
static bool is_for(const json_t *payload, const char *audience)
{
	const json_t *aud = json_object_get(payload, "aud");
	const char *text;

	if (json_is_array(aud) && json_array_size(aud) == 1)
		aud = json_array_get(aud, 0);
	text = json_string_value(aud);
	return text && !strcmp(text, audience);
}

/* "arn:<partition>:iam::<account>:role/[path/]<role>" */
static int parse_subject(const char *sub, const char *region, struct jwt_claims *ret)
{
	char begin[AWSARN_MAX];
	const char *role;

	if (awsarn_role(region, ret->account, "", "", begin) < 0 ||
	    strncmp(sub, begin, strlen(begin)) != 0)
		return -EBADMSG;
	role = strrchr(sub, '/') + 1;
	if (!*role || strlen(role) >= sizeof(ret->role))
		return -EBADMSG;
	memcpy(ret->role, role, strlen(role) + 1);
	return 0;
}

static int take_claims(const json_t *payload, const char *region, struct jwt_claims *ret,
		       const char **ret_why)
{
	const json_t *aws;
	char sub[1024];

	if (jsonin_object(payload, AWS_CLAIMS, &aws) < 0 ||
	    jsonin_str(aws, "aws_account", ret->account, sizeof(ret->account)) < 0 ||
	    strspn(ret->account, "0123456789") != strlen(ret->account) ||
	    jsonin_str(aws, "org_id", ret->org_id, sizeof(ret->org_id)) < 0)
		return refuse(ret_why, "the token does not say which account and organisation");
	if (jsonin_str(payload, "sub", sub, sizeof(sub)) < 0 || parse_subject(sub, region, ret) < 0)
		return refuse(ret_why, "the token's subject is not a role of its account");
	return 0;
}

static int check_payload(const struct jwt_parts *parts, const struct jwt_rule *rule,
			 struct jwt_claims *ret, const char **ret_why)
{
	_cleanup_(jsonin_freep) json_t *payload = NULL;
	int r = parse_part(parts->payload, parts->payload_len, &payload);

	if (r == -EBADMSG)
		return refuse(ret_why, "the token's claims cannot be read");
	if (r < 0)
		return r;
	if (!is_text(payload, "iss", rule->issuer))
		return refuse(ret_why, "the token is from another issuer");
	if (!is_for(payload, rule->audience))
		return refuse(ret_why, "the token is for another audience");
	r = check_times(payload, rule->now_wall, ret_why);
	if (r < 0)
		return r;
	return take_claims(payload, rule->region, ret, ret_why);
}

int jwt_verify(const struct jwt_keys *keys, const char *token, const struct jwt_rule *rule,
	       struct jwt_claims *ret, const char **ret_why)
{
	const struct jwt_key *key = NULL;
	struct jwt_claims claims;
	struct jwt_parts parts;
	int r;

	if (strnlen(token, JWT_TOKEN_MAX + 1) > JWT_TOKEN_MAX || split(token, &parts) < 0)
		return refuse(ret_why, "not a signed token");
	r = choose_key(keys, &parts, &key, ret_why);
	if (r == 0)
		r = check_signature(key, &parts, ret_why);
	ERR_clear_error();
	if (r == 0)
		r = check_payload(&parts, rule, &claims, ret_why);
	if (r < 0)
		return r;
	*ret = claims;
	return 0;
}
