/* SPDX-License-Identifier: MIT */
/*
 * The meta commands. What memcached keeps of an item beyond a bag's (who won a token,
 * when it was last read) there is not: those flags are refused, and nothing is made up.
 */
#include <stdio.h>
#include <string.h>

#include "base/wall.h"
#include "serve_answer.h"
#include "serve_token.h"

/* ---- lines --------------------------------------------------------------------------- */

/* What a line may tell of an item. expires_at_ms as in keel_bag_item. */
typedef struct told {
    const keel_bag_token *token;
    const keel_bag_item *item; /* NULL: it was not read */
    size_t length;
} told;

static void put_option(keel_serve_buffer *out, char letter, const char *text)
{
    const char begin[2] = { ' ', letter };

    keel_serve_put(out, begin, sizeof begin);
    keel_serve_put_text(out, text);
}

static void put_option_number(keel_serve_buffer *out, char letter, uint64_t number)
{
    put_option(out, letter, "");
    keel_serve_put_number(out, number);
}

static void put_life(keel_serve_buffer *out, int64_t expires_at_ms)
{
    int64_t left = expires_at_ms - (int64_t)keel_wall_ms();

    if (expires_at_ms <= 0)
        put_option(out, 't', "-1");
    else
        put_option_number(out, 't', left > 0 ? (uint64_t)(left + 999) / 1000 : 0);
}

/* The key and the opaque word come back with every answer, the rest with a good one. */
static void put_option_of(keel_serve_source *source, const keel_serve_request *r,
                          size_t i, const told *t, keel_serve_buffer *out)
{
    switch (r->options[i].letter) {
    case 'O':
        put_option(out, 'O', r->options[i].text);
        break;
    case 'k':
        put_option(out, 'k', r->sent_key);
        if (r->sent_key != r->keys[0])
            put_option(out, 'b', "");
        break;
    case 'c':
        if (t)
            put_option_number(out, 'c', keel_serve_token_number(source, t->token));
        break;
    case 's':
        if (t)
            put_option_number(out, 's', t->length);
        break;
    case 'f':
        if (t && t->item)
            put_option_number(out, 'f', t->item->flags);
        break;
    case 't':
        if (t && t->item)
            put_life(out, t->item->expires_at_ms);
        break;
    default:
        break;
    }
}

static void put_line(keel_serve_desk *desk, const keel_serve_request *r,
                     const char *code, const told *t, keel_serve_buffer *out)
{
    keel_serve_put_text(out, code);
    for (size_t i = 0; i < r->option_count; i++)
        put_option_of(desk->source, r, i, t, out);
    keel_serve_put_text(out, "\r\n");
}

static const char *code_of(keel_status status)
{
    switch (status) {
    case KEEL_OK:
        return "HD";
    case KEEL_NOT_STORED:
        return "NS";
    case KEEL_EXISTS:
        return "EX";
    case KEEL_NOT_FOUND:
        return "NF";
    default:
        return NULL;
    }
}

static void put_outcome(keel_serve_desk *desk, const keel_serve_request *r,
                        keel_status status, const told *t, const keel_detail *why,
                        keel_serve_buffer *out)
{
    const char *code = code_of(status);

    if (!code)
        keel_serve_put_failure(desk, out, status, why);
    else if (status != KEEL_OK || !r->is_quiet)
        put_line(desk, r, code, status == KEEL_OK ? t : NULL, out);
}

static bool wants(const keel_serve_request *r, char letter)
{
    for (size_t i = 0; i < r->option_count; i++)
        if (r->options[i].letter == letter)
            return true;
    return false;
}

/* ---- mg ------------------------------------------------------------------------------ */

enum { LINE_MAX_SIZE = 1024 }; /* key, opaque words and numbers */

/* The line goes before the value, which is in out already, behind room for it. */
static void put_hit(keel_serve_desk *desk, const keel_serve_request *r,
                    const keel_bag_item *item, bool has_value, keel_serve_buffer *out)
{
    const told t = { &item->token, item, item->length };
    char code[32];

    if (!has_value) {
        put_line(desk, r, "HD", &t, out);
        return;
    }
    snprintf(code, sizeof code, "VA %zu", item->length);
    put_line(desk, r, code, &t, out);
    memmove(out->block + out->end, item->buffer, item->length);
    keel_serve_add(out, item->length);
    keel_serve_put_text(out, "\r\n");
}

static keel_status look(keel_serve_desk *desk, const keel_serve_request *r,
                        const keel_bag_options *options, keel_bag_item *item,
                        keel_detail *why)
{
    keel_bag *bag = desk->source->bag;
    keel_status status;

    *item = (keel_bag_item){ .size = sizeof *item };
    status = r->has_expiry ? keel_bag_get_and_touch(bag, r->keys[0], item, options, why)
                           : keel_bag_get(bag, r->keys[0], item, options, why);
    return status == KEEL_E_BUFFER ? KEEL_OK : status; /* the value is not wanted */
}

static void count_get(keel_serve_desk *desk, keel_status status)
{
    if (status == KEEL_OK)
        keel_serve_count(&desk->counts, KEEL_SERVE_GET_HITS, 1);
    else if (status == KEEL_NOT_FOUND)
        keel_serve_count(&desk->counts, KEEL_SERVE_GET_MISSES, 1);
}

static const char *cannot_tell(const keel_serve_desk *desk, const keel_serve_request *r)
{
    if (wants(r, 't') && !(desk->source->abilities.effective & KEEL_CAN_TELL_TTL))
        return "SERVER_ERROR the bag cannot tell when an item expires\r\n";
    return r->has_expiry ? keel_serve_loses(desk, r) : NULL;
}

static void answer_get(keel_serve_desk *desk, const keel_serve_request *r,
                       keel_serve_buffer *out)
{
    keel_bag_options options = keel_serve_options(desk, r);
    keel_detail why = KEEL_DETAIL_INIT;
    bool has_value = wants(r, 'v');
    const char *cannot = cannot_tell(desk, r);
    keel_bag_item item;
    keel_status status;

    if (cannot) {
        keel_serve_put_text(out, cannot);
        return;
    }
    options.wishes = (wants(r, 'c') ? KEEL_BAG_WANT_TOKEN : 0u) |
                     (wants(r, 't') ? KEEL_BAG_WANT_TTL : 0u);
    status = has_value ? keel_serve_read(desk, r->keys[0], LINE_MAX_SIZE, r->has_expiry,
                                         &options, &item, out, &why)
                       : look(desk, r, &options, &item, &why);
    count_get(desk, status);
    if (status == KEEL_OK)
        put_hit(desk, r, &item, has_value, out);
    else if (status != KEEL_NOT_FOUND)
        keel_serve_put_failure(desk, out, status, &why);
    else if (!r->is_quiet)
        put_line(desk, r, "EN", NULL, out);
}

/* ---- ms ------------------------------------------------------------------------------ */

/* What is done to an item whose token has to be found first. */
typedef struct marked {
    keel_bag *bag;
    const keel_serve_request *request;
    const keel_bag_options *options;
} marked;

static keel_status store_with_token(void *ctx, const keel_bag_token *token,
                                    keel_detail *why)
{
    const marked *m = ctx;
    const keel_serve_request *r = m->request;

    return keel_bag_cas(m->bag, r->keys[0], token, r->value, r->length, m->options,
                        why);
}

/* memcached knows both cases of a letter. */
static char mode_of(const keel_serve_request *r, char standard)
{
    char mode = r->mode ? r->mode : standard;

    return (char)(mode >= 'a' && mode <= 'z' ? mode - 'a' + 'A' : mode);
}

static keel_status store(keel_serve_source *source, const keel_serve_request *r,
                         const keel_bag_options *o, keel_detail *why)
{
    marked m = { source->bag, r, o };
    const char *key = r->keys[0];

    if (r->has_token)
        return keel_serve_with_token(source, key, r->number, o, store_with_token, &m,
                                     why);
    switch (mode_of(r, 'S')) {
    case 'E':
        return keel_bag_add(source->bag, key, r->value, r->length, o, why);
    case 'R':
        return keel_bag_replace(source->bag, key, r->value, r->length, o, why);
    case 'A':
        return keel_bag_append(source->bag, key, r->value, r->length, o, why);
    case 'P':
        return keel_bag_prepend(source->bag, key, r->value, r->length, o, why);
    default:
        return keel_bag_set(source->bag, key, r->value, r->length, o, why);
    }
}

static const char *wrong_store(const keel_serve_desk *desk, const keel_serve_request *r)
{
    char mode = mode_of(r, 'S');

    if (!strchr("SERAP", mode))
        return "CLIENT_ERROR invalid mode for ms M token\r\n";
    if (r->has_token && mode != 'S')
        return "CLIENT_ERROR a token goes with mode S alone\r\n";
    return keel_serve_loses(desk, r);
}

static void answer_set(keel_serve_desk *desk, const keel_serve_request *r,
                       keel_serve_buffer *out)
{
    keel_bag_options options = keel_serve_options(desk, r);
    keel_detail why = KEEL_DETAIL_INIT;
    const char *wrong = wrong_store(desk, r);
    keel_bag_token fresh = { .length = 0 };
    const told t = { &fresh, NULL, r->length };
    keel_status status;

    keel_serve_count(&desk->counts, KEEL_SERVE_CMD_SET, 1);
    if (wrong) {
        keel_serve_put_text(out, wrong);
        return;
    }
    options.token = &fresh;
    status = store(desk->source, r, &options, &why);
    put_outcome(desk, r, status, &t, &why, out);
}

/* ---- md ------------------------------------------------------------------------------ */

static keel_status delete_with_token(void *ctx, const keel_bag_token *token,
                                     keel_detail *why)
{
    const marked *m = ctx;

    return keel_bag_delete_cas(m->bag, m->request->keys[0], token, m->options, why);
}

static void answer_delete(keel_serve_desk *desk, const keel_serve_request *r,
                          keel_serve_buffer *out)
{
    keel_bag_options options = keel_serve_options(desk, r);
    keel_detail why = KEEL_DETAIL_INIT;
    marked m = { desk->source->bag, r, &options };
    keel_status status =
        r->has_token ? keel_serve_with_token(desk->source, r->keys[0], r->number,
                                             &options, delete_with_token, &m, &why)
                     : keel_bag_delete(desk->source->bag, r->keys[0], &options, &why);

    put_outcome(desk, r, status, NULL, &why, out);
}

/* ---- ma ------------------------------------------------------------------------------ */

static keel_status count_once(keel_bag *bag, const keel_serve_request *r, bool down,
                              uint64_t *number, const keel_bag_options *o,
                              keel_detail *why)
{
    return down ? keel_bag_decr(bag, r->keys[0], r->number, number, o, why)
                : keel_bag_incr(bag, r->keys[0], r->number, number, o, why);
}

static keel_status begin_count(keel_bag *bag, const keel_serve_request *r,
                               uint64_t *number, const keel_bag_options *o,
                               keel_detail *why)
{
    char digits[KEEL_SERVE_DIGITS];
    size_t length = (size_t)(keel_serve_digits(digits, r->initial) - digits);

    *number = r->initial;
    return keel_bag_add(bag, r->keys[0], digits, length, o, why);
}

/* With N there is a number whoever comes first; who loses that race adds to it. */
static keel_status count(keel_bag *bag, const keel_serve_request *r, bool down,
                         uint64_t *number, const keel_bag_options *o, keel_detail *why)
{
    enum { ROUNDS = 4 }; /* it came and went as often as that */
    keel_status status = KEEL_NOT_FOUND;

    for (unsigned i = 0; i < ROUNDS; i++) {
        status = count_once(bag, r, down, number, o, why);
        if (status != KEEL_NOT_FOUND || !r->has_life)
            return status;
        status = begin_count(bag, r, number, o, why);
        if (status != KEEL_NOT_STORED)
            return status;
    }
    return status;
}

static void put_count(keel_serve_desk *desk, const keel_serve_request *r,
                      uint64_t number, const keel_bag_token *fresh,
                      keel_serve_buffer *out)
{
    const told t = { fresh, NULL, 0 };
    char digits[KEEL_SERVE_DIGITS + 1];
    char code[32];

    if (!wants(r, 'v')) {
        put_line(desk, r, "HD", &t, out);
        return;
    }
    *keel_serve_digits(digits, number) = '\0';
    snprintf(code, sizeof code, "VA %zu", strlen(digits));
    put_line(desk, r, code, &t, out);
    keel_serve_put_text(out, digits);
    keel_serve_put_text(out, "\r\n");
}

static void answer_count(keel_serve_desk *desk, const keel_serve_request *r,
                         keel_serve_buffer *out)
{
    keel_bag_options options = keel_serve_options(desk, r);
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag_token fresh = { .length = 0 };
    char mode = mode_of(r, 'I');
    uint64_t number = 0;
    keel_status status;

    if (!strchr("I+D-", mode)) {
        keel_serve_put_text(out, "CLIENT_ERROR invalid mode for ma M token\r\n");
        return;
    }
    options.token = &fresh;
    status = count(desk->source->bag, r, mode == 'D' || mode == '-', &number, &options,
                   &why);
    if (status == KEEL_NOT_NUMBER)
        keel_serve_put_text(
            out, "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
    else if (status != KEEL_OK)
        put_outcome(desk, r, status, NULL, &why, out);
    else if (!r->is_quiet)
        put_count(desk, r, number, &fresh, out);
}

/* ---- me ------------------------------------------------------------------------------ */

static void put_debug(keel_serve_desk *desk, const keel_serve_request *r,
                      const keel_bag_item *item, keel_serve_buffer *out)
{
    int64_t left = item->expires_at_ms - (int64_t)keel_wall_ms();

    keel_serve_put_text(out, "ME ");
    keel_serve_put_text(out, r->sent_key);
    keel_serve_put_text(out, " exp=");
    if (item->expires_at_ms <= 0)
        keel_serve_put_text(out, "-1");
    else
        keel_serve_put_number(out, left > 0 ? (uint64_t)(left + 999) / 1000 : 0);
    keel_serve_put_text(out, " cas=");
    keel_serve_put_number(out, keel_serve_token_number(desk->source, &item->token));
    keel_serve_put_text(out, " size=");
    keel_serve_put_number(out, item->length);
    keel_serve_put_text(out, "\r\n");
}

static void answer_debug(keel_serve_desk *desk, const keel_serve_request *r,
                         keel_serve_buffer *out)
{
    keel_bag_options options = keel_serve_options(desk, r);
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag_item item;
    keel_status status;

    options.wishes = KEEL_BAG_WANT_TOKEN | KEEL_BAG_WANT_TTL;
    status = look(desk, r, &options, &item, &why);
    if (status == KEEL_OK)
        put_debug(desk, r, &item, out);
    else if (status == KEEL_NOT_FOUND)
        keel_serve_put_text(out, "EN\r\n");
    else
        keel_serve_put_failure(desk, out, status, &why);
}

void keel_serve_answer_meta(keel_serve_desk *desk, const keel_serve_request *request,
                            keel_serve_buffer *out)
{
    keel_serve_count(&desk->counts, KEEL_SERVE_CMD_META, 1);
    switch (request->verb) {
    case KEEL_SERVE_META_GET:
        answer_get(desk, request, out);
        break;
    case KEEL_SERVE_META_SET:
        answer_set(desk, request, out);
        break;
    case KEEL_SERVE_META_DELETE:
        answer_delete(desk, request, out);
        break;
    case KEEL_SERVE_META_COUNT:
        answer_count(desk, request, out);
        break;
    case KEEL_SERVE_META_DEBUG:
        answer_debug(desk, request, out);
        break;
    default:
        keel_serve_put_text(out, "MN\r\n");
        break;
    }
}
