/* SPDX-License-Identifier: MIT */
/* Canonical requests and what is signed of them. Not for sending. */
#include "net/sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    HASH_BYTES = 32,
    CANONICAL_SIZE = 16384,
    ENCODED_SIZE = 4096,
    SECRET_SIZE = 256
};

#define ALGORITHM "AWS4-HMAC-SHA256"

/* Text that grows in a buffer; one that is too large is told once, at the end. */
typedef struct text {
    char *at;
    size_t size;
    size_t length;
    bool is_cut;
} text;

static void add(text *t, const char *more)
{
    size_t length = strlen(more);

    if (length >= t->size - t->length) {
        t->is_cut = true;
        return;
    }
    memcpy(t->at + t->length, more, length + 1);
    t->length += length;
}

/* ---- hashes -------------------------------------------------------------------------- */

static void write_hex(const unsigned char bytes[HASH_BYTES], char hex[KEEL_SIGV4_HASH])
{
    for (size_t i = 0; i < HASH_BYTES; i++)
        snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

bool keel_sigv4_hash(const void *body, size_t length, char hash[KEEL_SIGV4_HASH])
{
    unsigned char bytes[EVP_MAX_MD_SIZE];

    if (!EVP_Digest(body ? body : "", length, bytes, NULL, EVP_sha256(), NULL))
        return false;
    write_hex(bytes, hash);
    return true;
}

static bool sign(const unsigned char *key, size_t key_length, const char *message,
                 unsigned char to[HASH_BYTES])
{
    unsigned int length = 0;

    return HMAC(EVP_sha256(), key, (int)key_length, (const unsigned char *)message,
                strlen(message), to, &length) &&
           length == HASH_BYTES;
}

/* ---- dates --------------------------------------------------------------------------- */

bool keel_sigv4_date(int64_t unix_s, char date[KEEL_SIGV4_DATE])
{
    time_t at = (time_t)unix_s;
    struct tm parts;

    return gmtime_r(&at, &parts) && strftime(date, KEEL_SIGV4_DATE, "%Y%m%dT%H%M%SZ",
                                             &parts) == KEEL_SIGV4_DATE - 1;
}

/* ---- encoding ------------------------------------------------------------------------ */

static bool is_plain(char c, bool keeps_slash)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
           strchr("-._~", c) || (keeps_slash && c == '/');
}

size_t keel_sigv4_encode(const char *from, bool keeps_slash, char *to, size_t size)
{
    text t = { to, size, 0, false };
    size_t length = 0;

    *to = '\0';
    for (; *from; from++) {
        char piece[4] = { *from };

        if (!is_plain(*from, keeps_slash))
            snprintf(piece, sizeof piece, "%%%02X", (unsigned)(unsigned char)*from);
        length += strlen(piece);
        add(&t, piece);
    }
    return length;
}

static void add_encoded(text *t, const char *from, bool keeps_slash)
{
    char encoded[ENCODED_SIZE];

    if (keel_sigv4_encode(from, keeps_slash, encoded, sizeof encoded) >= sizeof encoded)
        t->is_cut = true;
    add(t, encoded);
}

/* ---- the canonical request ----------------------------------------------------------- */

static void add_path(text *t, const keel_sigv4_request *r)
{
    char once[ENCODED_SIZE];

    if (r->encodes_path_once) {
        add_encoded(t, r->path, true);
        return;
    }
    if (keel_sigv4_encode(r->path, true, once, sizeof once) >= sizeof once)
        t->is_cut = true;
    add_encoded(t, once, true);
}

static int by_name(const void *a, const void *b)
{
    const keel_sigv4_pair *left = a, *right = b;
    int order = strcmp(left->name, right->name);

    return order ? order : strcmp(left->value, right->value);
}

/* Names are compared as they are encoded: what is not plain comes as "%", before all. */
static void add_query(text *t, const keel_sigv4_request *r)
{
    char names[KEEL_SIGV4_PAIRS][192];
    keel_sigv4_pair sorted[KEEL_SIGV4_PAIRS] = { { NULL, NULL } };

    for (size_t i = 0; i < r->query_count; i++) {
        if (keel_sigv4_encode(r->query[i].name, false, names[i], sizeof names[i]) >=
            sizeof names[i])
            t->is_cut = true;
        sorted[i] = (keel_sigv4_pair){ names[i], r->query[i].value };
    }
    qsort(sorted, r->query_count, sizeof *sorted, by_name);
    for (size_t i = 0; i < r->query_count; i++) {
        add(t, i ? "&" : "");
        add(t, sorted[i].name);
        add(t, "=");
        add_encoded(t, sorted[i].value, false);
    }
}

/* Without the blanks around it, and with one for many inside. */
static void add_trimmed(text *t, const char *value)
{
    bool is_first = true;

    while (*value) {
        char piece[2] = { *value };

        if (*value != ' ') {
            add(t, piece);
            is_first = false;
            value++;
            continue;
        }
        value += strspn(value, " ");
        add(t, *value && !is_first ? " " : "");
    }
}

static void add_names(text *t, const keel_sigv4_pair headers[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        add(t, i ? ";" : "");
        add(t, headers[i].name);
    }
}

static void add_headers(text *t, const keel_sigv4_pair headers[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        add(t, headers[i].name);
        add(t, ":");
        add_trimmed(t, headers[i].value);
        add(t, "\n");
    }
    add(t, "\n");
    add_names(t, headers, count);
    add(t, "\n");
}

static bool hash_request(const keel_sigv4_request *r, const keel_sigv4_pair headers[],
                         char hash[KEEL_SIGV4_HASH])
{
    char canonical[CANONICAL_SIZE] = "";
    text t = { canonical, sizeof canonical, 0, false };

    add(&t, r->method);
    add(&t, "\n");
    add_path(&t, r);
    add(&t, "\n");
    add_query(&t, r);
    add(&t, "\n");
    add_headers(&t, headers, r->header_count);
    add(&t, r->payload);
    return !t.is_cut && keel_sigv4_hash(canonical, t.length, hash);
}

/* ---- signing ------------------------------------------------------------------------- */

/* The key of a day, a region and a service. */
static bool derive_key(const keel_sigv4_request *r, const char *day,
                       unsigned char key[HASH_BYTES])
{
    char secret[SECRET_SIZE];
    int length = snprintf(secret, sizeof secret, "AWS4%s", r->secret);
    bool done = length > 0 && (size_t)length < sizeof secret &&
                sign((const unsigned char *)secret, (size_t)length, day, key) &&
                sign(key, HASH_BYTES, r->region, key) &&
                sign(key, HASH_BYTES, r->service, key) &&
                sign(key, HASH_BYTES, "aws4_request", key);

    explicit_bzero(secret, sizeof secret);
    return done;
}

static bool sign_request(const keel_sigv4_request *r, const keel_sigv4_pair headers[],
                         const char *day, const char *scope,
                         char signature[KEEL_SIGV4_HASH])
{
    char message[512], hash[KEEL_SIGV4_HASH];
    unsigned char key[HASH_BYTES], signed_[HASH_BYTES];
    bool done;

    if (!hash_request(r, headers, hash) ||
        (size_t)snprintf(message, sizeof message, ALGORITHM "\n%s\n%s\n%s", r->date,
                         scope, hash) >= sizeof message)
        return false;
    done = derive_key(r, day, key) && sign(key, sizeof key, message, signed_);
    explicit_bzero(key, sizeof key);
    if (done)
        write_hex(signed_, signature);
    return done;
}

bool keel_sigv4_sign(const keel_sigv4_request *r, char to[KEEL_SIGV4_TEXT])
{
    keel_sigv4_pair headers[KEEL_SIGV4_PAIRS];
    char day[9], scope[256], signature[KEEL_SIGV4_HASH];
    text t = { to, KEEL_SIGV4_TEXT, 0, false };

    *to = '\0';
    if (r->header_count > KEEL_SIGV4_PAIRS || r->query_count > KEEL_SIGV4_PAIRS)
        return false;
    memcpy(headers, r->headers, sizeof headers);
    qsort(headers, r->header_count, sizeof *headers, by_name);
    snprintf(day, sizeof day, "%.8s", r->date);
    if ((size_t)snprintf(scope, sizeof scope, "%s/%s/%s/aws4_request", day, r->region,
                         r->service) >= sizeof scope ||
        !sign_request(r, headers, day, scope, signature))
        return false;
    add(&t, ALGORITHM " Credential=");
    add(&t, r->key_id);
    add(&t, "/");
    add(&t, scope);
    add(&t, ", SignedHeaders=");
    add_names(&t, headers, r->header_count);
    add(&t, ", Signature=");
    add(&t, signature);
    return !t.is_cut;
}
