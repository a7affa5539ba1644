/* SPDX-License-Identifier: MIT */
/*
 * All there is under the store's prefix: SCAN, one node after the other, and UNLINK of
 * what it finds. Never FLUSHDB: the database may hold what is not the bag's.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bag/store/redis_ask.h"

enum { PATTERN_SIZE = 2 * KEEL_REDIS_PREFIX_MAX + 2, NUMBER_SIZE = 24, UNLINKS = 64 };

/*
 * Where a scan stands: Redis' own cursor, and at which node. "CURSOR" or
 * "CURSOR PORT HOST"; where the caller had enough in the middle of what Redis found,
 * "CURSOR:SAID:PRINT", with how many of those were said, and what all of them looked like.
 * Redis goes on behind them only: they are asked for once more, and if others come now,
 * all of them are said.
 */
typedef struct place {
    char number[NUMBER_SIZE];
    keel_redis_node *node;
    uint64_t said, print; /* said 0: nothing was left over */
} place;

/* ---- a cluster's nodes --------------------------------------------------------------- */

static bool read_host(keel_redis_host *to, const redisReply *range,
                      const keel_redis_host *asked)
{
    const redisReply *node;

    if (range->type != REDIS_REPLY_ARRAY || range->elements < 3 ||
        range->element[0]->type != REDIS_REPLY_INTEGER ||
        range->element[1]->type != REDIS_REPLY_INTEGER)
        return false;
    node = range->element[2];
    if (node->type != REDIS_REPLY_ARRAY || node->elements < 2 ||
        node->element[1]->type != REDIS_REPLY_INTEGER)
        return false;
    *to = *asked;
    to->port = (uint16_t)node->element[1]->integer;
    if (node->element[0]->type == REDIS_REPLY_STRING && node->element[0]->len)
        keel_text_copy(to->name, sizeof to->name,
                       (keel_text){ node->element[0]->str, node->element[0]->len });
    return true;
}

static void learn_range(keel_redis_nodes *nodes, const redisReply *range,
                        const keel_redis_host *asked)
{
    keel_redis_node *node = NULL;
    keel_redis_host at;

    if (read_host(&at, range, asked))
        node = keel_redis_nodes_at(nodes, &at);
    for (long long slot = node ? range->element[0]->integer : 0;
         node && slot >= 0 && slot <= range->element[1]->integer &&
         slot < KEEL_REDIS_SLOTS;
         slot++)
        keel_redis_nodes_learn(nodes, (uint32_t)slot, node);
    keel_redis_nodes_leave(nodes, node);
}

/* Who has which slots, so that no node is left out. */
static keel_status survey_by(keel_redis_store *s, const keel_bag_op *op,
                             keel_redis_node *node, keel_detail *why)
{
    const keel_redis_command slots = KEEL_REDIS_COMMAND("CLUSTER", "SLOTS");
    const keel_redis_batch b = { &slots, 1, KEEL_REDIS_IS(ARRAY), false };
    redisReply *reply;
    keel_status status = keel_redis_exchange_all(s, op, node, &b, &reply, why);

    if (status != KEEL_OK)
        return status;
    status = keel_redis_refusal(s, reply, why);
    for (size_t i = 0; status == KEEL_OK && i < reply->elements; i++)
        learn_range(&s->nodes, reply->element[i], &node->at);
    freeReplyObject(reply);
    return status;
}

static keel_status survey(keel_redis_store *s, const keel_bag_op *op, keel_detail *why)
{
    keel_redis_node *node;
    keel_status status;

    if (s->nodes.terms.url.kind != KEEL_REDIS_CLUSTER)
        return KEEL_OK;
    node = keel_redis_nodes_of(&s->nodes, 0);
    status = survey_by(s, op, node, why);
    keel_redis_nodes_leave(&s->nodes, node);
    return status;
}

/* ---- where it stands ----------------------------------------------------------------- */

/* Of the first node, or the one after that where it stands; false: there is none. */
static bool begin_next(place *p, keel_redis_store *s)
{
    keel_redis_node *before = p->node;

    *p = (place){ .number = "0",
                  .node =
                      keel_redis_nodes_after(&s->nodes, before ? &before->at : NULL) };
    keel_redis_nodes_leave(&s->nodes, before);
    return p->node != NULL;
}

static bool read_number(place *p, keel_text text)
{
    uint64_t number;

    if (text.length >= sizeof p->number ||
        keel_parse_count(text, &number) != KEEL_PARSE_OK)
        return false;
    keel_text_copy(p->number, sizeof p->number, text);
    return true;
}

/* "CURSOR", or with what was said of it. */
static bool read_standing(place *p, keel_text text)
{
    keel_text number, said, print;

    p->said = p->print = 0;
    if (!keel_text_split(text, ":", &number, &said))
        return read_number(p, text);
    return keel_text_split(said, ":", &said, &print) && read_number(p, number) &&
           keel_parse_count(said, &p->said) == KEEL_PARSE_OK &&
           keel_parse_count(print, &p->print) == KEEL_PARSE_OK;
}

/* A cursor that was kept. False: it is none of this store's. */
static bool read_place(place *p, keel_redis_store *s, const keel_bag_cursor *cursor)
{
    keel_text number = { (const char *)cursor->bytes, cursor->length }, host, port;
    keel_redis_host at = { .port = 0 };
    uint64_t wanted;

    if (s->nodes.terms.url.kind != KEEL_REDIS_CLUSTER) {
        p->node = keel_redis_nodes_after(&s->nodes, NULL);
        return read_standing(p, number);
    }
    if (!keel_text_split(number, " ", &number, &port) ||
        !keel_text_split(port, " ", &port, &host) || host.length >= sizeof at.name ||
        keel_parse_count(port, &wanted) != KEEL_PARSE_OK || !wanted ||
        wanted > UINT16_MAX)
        return false;
    keel_text_copy(at.name, sizeof at.name, host);
    at.port = (uint16_t)wanted;
    p->node = keel_redis_nodes_at(&s->nodes, &at);
    return p->node && read_standing(p, number);
}

static void write_place(keel_bag_cursor *cursor, const place *p)
{
    char text[sizeof cursor->bytes], said[2 * NUMBER_SIZE] = "";
    int length;

    if (p->said)
        snprintf(said, sizeof said, ":%" PRIu64 ":%" PRIu64, p->said, p->print);
    if (p->node->at.port)
        length = snprintf(text, sizeof text, "%s%s %u %s", p->number, said,
                          p->node->at.port, p->node->at.name);
    else
        length = snprintf(text, sizeof text, "%s%s", p->number, said);
    cursor->length = (uint16_t)length;
    memcpy(cursor->bytes, text, (size_t)length);
}

/* ---- one step ------------------------------------------------------------------------ */

/* The prefix with nothing in it that a pattern would take for more. */
static void write_pattern(char to[PATTERN_SIZE], keel_text prefix)
{
    size_t at = 0;

    for (size_t i = 0; i < prefix.length; i++) {
        if (strchr("*?[]\\^-", prefix.at[i]))
            to[at++] = '\\';
        to[at++] = prefix.at[i];
    }
    to[at++] = '*';
    to[at] = '\0';
}

static bool is_list(const redisReply *reply)
{
    return reply->elements == 2 && reply->element[0]->type == REDIS_REPLY_STRING &&
           reply->element[1]->type == REDIS_REPLY_ARRAY;
}

/* The place moves on; *found: the keys, in *reply. */
static keel_status step(keel_redis_store *s, const keel_bag_op *op, place *p,
                        redisReply **reply, const redisReply **found, keel_detail *why)
{
    char pattern[PATTERN_SIZE];
    const keel_redis_command command = KEEL_REDIS_COMMAND(
        "SCAN", p->number, "MATCH", pattern, "COUNT", "256", "TYPE", "string");
    const keel_redis_batch b = { &command, 1, KEEL_REDIS_IS(ARRAY), false };
    keel_status status;

    write_pattern(pattern, s->prefix);
    status = keel_redis_exchange_all(s, op, p->node, &b, reply, why);
    if (status != KEEL_OK)
        return status;
    status = keel_redis_refusal(s, *reply, why);
    if (status == KEEL_OK &&
        (!is_list(*reply) || !read_number(p, (keel_text){ (*reply)->element[0]->str,
                                                          (*reply)->element[0]->len })))
        status = keel_bag_fail(why, KEEL_FAILED, KEEL_APPLIED_NO, s->path,
                               "what came is no reply to SCAN");
    if (status == KEEL_OK)
        *found = (*reply)->element[1];
    else
        freeReplyObject(*reply);
    return status;
}

static bool is_at_end(const place *p)
{
    return strcmp(p->number, "0") == 0;
}

/* ---- scan ---------------------------------------------------------------------------- */

/* Others may keep keys under the same prefix that no bag would take. */
static bool is_key(const char *key, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((unsigned char)key[i] <= ' ' || key[i] == 0x7f)
            return false;
    return length >= 1 && length <= KEEL_BAG_KEY_MAX;
}

/* Of all keys in their order (FNV-1a, with each one's length): other keys, another one. */
static uint64_t print_of(const redisReply *found)
{
    uint64_t print = UINT64_C(14695981039346656037);

    for (size_t i = 0; i < found->elements; i++) {
        const redisReply *key = found->element[i];

        for (size_t j = 0; j < key->len; j++)
            print = (print ^ (unsigned char)key->str[j]) * UINT64_C(1099511628211);
        print = (print ^ key->len) * UINT64_C(1099511628211);
    }
    return print;
}

/* Returns behind which of them fn had enough; all: it had not. */
static size_t tell(const keel_redis_store *s, const redisReply *found, size_t from,
                   keel_bag_scan_fn *fn, void *ctx)
{
    for (size_t i = from; i < found->elements; i++) {
        const redisReply *key = found->element[i];
        size_t skipped = s->prefix.length;

        if (key->type == REDIS_REPLY_STRING && key->len > skipped &&
            is_key(key->str + skipped, key->len - skipped) &&
            !fn(key->str + skipped, ctx))
            return i + 1;
    }
    return found->elements;
}

/* Those that were not said before. False: fn had enough, and *p says of how many. */
static bool tell_rest(const keel_redis_store *s, const redisReply *found, place *p,
                      keel_bag_scan_fn *fn, void *ctx)
{
    uint64_t print = print_of(found);
    size_t from = p->said < found->elements && p->print == print ? (size_t)p->said : 0;

    p->said = tell(s, found, from, fn, ctx);
    p->print = print;
    return p->said == found->elements;
}

/* The cursor may have been kept by another process: here nothing may be known of nodes. */
static keel_status go_on_elsewhere(keel_redis_store *s, const keel_bag_op *op, place *p,
                                   keel_bag_cursor *cursor, keel_detail *why)
{
    keel_status status = survey(s, op, why);

    if (status != KEEL_OK)
        return status;
    cursor->is_at_end = !begin_next(p, s);
    if (!cursor->is_at_end)
        write_place(cursor, p);
    return KEEL_OK;
}

static keel_status scan_at(keel_redis_store *s, const keel_bag_op *op, place *p,
                           keel_bag_cursor *cursor, keel_bag_scan_fn *fn, void *ctx,
                           keel_detail *why)
{
    const redisReply *found;
    redisReply *reply;
    place before = *p;
    bool is_all;
    keel_status status;

    p->said = 0;
    status = step(s, op, p, &reply, &found, why);
    if (status != KEEL_OK)
        return status;
    is_all = tell_rest(s, found, &before, fn, ctx);
    freeReplyObject(reply);
    if (is_all && is_at_end(p))
        return go_on_elsewhere(s, op, p, cursor, why);
    write_place(cursor, is_all ? p : &before);
    return KEEL_OK;
}

keel_status keel_redis_store_scan(void *state, const keel_bag_op *op,
                                  keel_bag_cursor *cursor, keel_bag_scan_fn *fn,
                                  void *ctx, keel_detail *why)
{
    keel_redis_store *s = state;
    place p = { .node = NULL };
    keel_status status = cursor->length ? KEEL_OK : survey(s, op, why);

    if (status != KEEL_OK)
        return status;
    if (cursor->length ? read_place(&p, s, cursor) : begin_next(&p, s))
        status = scan_at(s, op, &p, cursor, fn, ctx, why);
    else
        status = keel_bag_fail(why, KEEL_E_ARGUMENT, KEEL_APPLIED_NO, s->path,
                               "the cursor is none of this store's");
    keel_redis_nodes_leave(&s->nodes, p.node);
    return status;
}

/* ---- flush --------------------------------------------------------------------------- */

static keel_status unlink_some(keel_redis_store *s, const keel_bag_op *op,
                               keel_redis_node *node, redisReply *const *keys,
                               size_t count, keel_detail *why)
{
    const char *argv[2 * UNLINKS];
    size_t lengths[2 * UNLINKS];
    keel_redis_command commands[UNLINKS];
    redisReply *replies[UNLINKS];
    const keel_redis_batch b = { commands, count, KEEL_REDIS_IS(INTEGER), true };
    keel_status status;

    for (size_t i = 0; i < count; i++) {
        argv[2 * i] = "UNLINK";
        lengths[2 * i] = strlen("UNLINK");
        argv[2 * i + 1] = keys[i]->str;
        lengths[2 * i + 1] = keys[i]->len;
        commands[i] = (keel_redis_command){ 2, argv + 2 * i, lengths + 2 * i };
    }
    status = keel_redis_exchange_all(s, op, node, &b, replies, why);
    if (status != KEEL_OK)
        return status;
    for (size_t i = 0; i < count && status == KEEL_OK; i++)
        status = keel_redis_refusal(s, replies[i], why);
    keel_redis_replies_free(replies, count);
    return status;
}

static keel_status unlink_all(keel_redis_store *s, const keel_bag_op *op,
                              keel_redis_node *node, const redisReply *found,
                              keel_detail *why)
{
    keel_status status = KEEL_OK;

    for (size_t at = 0; at < found->elements && status == KEEL_OK; at += UNLINKS) {
        size_t left = found->elements - at;

        status = unlink_some(s, op, node, found->element + at,
                             left < UNLINKS ? left : UNLINKS, why);
    }
    return status;
}

static keel_status flush_node(keel_redis_store *s, const keel_bag_op *op, place *p,
                              bool *has_begun, keel_detail *why)
{
    keel_status status;

    do {
        const redisReply *found;
        redisReply *reply;

        status = step(s, op, p, &reply, &found, why);
        if (status != KEEL_OK)
            break;
        *has_begun = *has_begun || found->elements;
        status = unlink_all(s, op, p->node, found, why);
        freeReplyObject(reply);
    } while (status == KEEL_OK && !is_at_end(p));
    return status;
}

keel_status keel_redis_store_flush(void *state, const keel_bag_op *op, keel_detail *why)
{
    keel_redis_store *s = state;
    bool has_begun = false;
    place p = { .node = NULL };
    keel_status status = survey(s, op, why);

    if (status != KEEL_OK)
        return status;
    while (status == KEEL_OK && begin_next(&p, s))
        status = flush_node(s, op, &p, &has_begun, why);
    keel_redis_nodes_leave(&s->nodes, p.node);
    if (status != KEEL_OK && has_begun && why &&
        why->size > offsetof(keel_detail, applied))
        why->applied = KEEL_APPLIED_UNKNOWN; /* some are deleted, others are not */
    return status;
}
