/* SPDX-License-Identifier: MIT */
/* The verbs of `keel bag` that concern all items: scan and copy. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag.h"
#include "keel.h"

/* ---- scan ---------------------------------------------------------------------------- */

static bool is_meant(const keel_bag_request *r, const char *key)
{
    return strncmp(key, r->prefix, strlen(r->prefix)) == 0;
}

static bool print_key(const char *key, void *ctx)
{
    const keel_bag_request *r = ctx;

    if (!is_meant(r, key))
        return true;
    fputs(key, stdout);
    putchar(r->zero ? '\0' : '\n');
    return !ferror(stdout);
}

int keel_bag_tool_scan(const keel_bag_request *r)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag_request request = *r;
    static keel_bag_cursor cursor;
    keel_status status = KEEL_OK;

    while (status == KEEL_OK && !cursor.is_at_end && !ferror(stdout))
        status = keel_bag_scan(r->bag, &cursor, print_key, &request, &r->options, &why);
    return keel_bag_tool_ended(status, "scan", &why);
}

/* ---- copy ---------------------------------------------------------------------------- */

/* A bag may not be used while it says its keys, so they are kept meanwhile. */
typedef struct copying {
    const keel_bag_request *request;
    keel_bag *to;
    char **keys;
    size_t count, room;
    bool is_short_of_memory;
    uint64_t copied, gone, kept;
    keel_detail why;
} copying;

static bool keep_key(const char *key, void *ctx)
{
    copying *c = ctx;

    if (!is_meant(c->request, key))
        return true;
    if (c->count == c->room) {
        size_t room = c->room ? 2 * c->room : 256;
        char **grown = realloc(c->keys, room * sizeof *grown);

        if (!grown)
            return c->is_short_of_memory = true, false;
        c->keys = grown;
        c->room = room;
    }
    c->keys[c->count] = strdup(key);
    c->is_short_of_memory = !c->keys[c->count];
    c->count += !c->is_short_of_memory;
    return !c->is_short_of_memory;
}

static keel_status put_item(copying *c, const char *key, const keel_bag_item *item)
{
    keel_bag_options options = c->request->options;

    options.flags = item->flags;
    if (item->expires_at_ms > 0)
        options.ttl = keel_ttl_until_ms(item->expires_at_ms);
    return c->request->only_new
               ? keel_bag_add(c->to, key, item->buffer, item->length, &options, &c->why)
               : keel_bag_set(c->to, key, item->buffer, item->length, &options,
                              &c->why);
}

/* What is gone by now is no failure, nor what is there already where only new ones go. */
static keel_status copy_item(copying *c, const char *key)
{
    keel_bag_options options = c->request->options;
    keel_bag_item item;
    keel_status status;

    options.wishes |= KEEL_BAG_WANT_TTL | KEEL_BAG_NO_CACHE;
    status = keel_bag_read_whole(c->request->bag, key, &item, &options, &c->why);
    if (status == KEEL_NOT_FOUND) {
        c->gone++;
        return KEEL_OK;
    }
    if (status != KEEL_OK)
        return status;
    status = put_item(c, key, &item);
    free(item.buffer);
    c->copied += status == KEEL_OK;
    c->kept += status == KEEL_NOT_STORED;
    return status == KEEL_NOT_STORED ? KEEL_OK : status;
}

/* The keys of one step of the scan. Returns what to exit with; 0: go on. */
static int copy_step(copying *c)
{
    int code = 0;

    for (size_t i = 0; i < c->count; i++) {
        keel_status status = code ? KEEL_OK : copy_item(c, c->keys[i]);

        if (status != KEEL_OK)
            code = keel_bag_tool_ended(status, c->keys[i], &c->why);
        free(c->keys[i]);
    }
    c->count = 0;
    if (!code && c->is_short_of_memory) {
        fputs("keel bag: out of memory\n", stderr);
        code = KEEL_EXIT_SYSTEM;
    }
    return code;
}

static int copy_all(copying *c)
{
    static keel_bag_cursor cursor;
    int code = 0;

    while (!code && !cursor.is_at_end) {
        keel_status status = keel_bag_scan(c->request->bag, &cursor, keep_key, c,
                                           &c->request->options, &c->why);

        code = status == KEEL_OK ? copy_step(c)
                                 : keel_bag_tool_ended(status, "scan", &c->why);
    }
    fprintf(stderr,
            "keel bag: %" PRIu64 " copied, %" PRIu64 " kept as they were, %" PRIu64
            " gone meanwhile\n",
            c->copied, c->kept, c->gone);
    return code;
}

/* An item whose life would be lost had better not be copied. */
static const char *cannot_copy(const keel_bag *from, const keel_bag *to)
{
    keel_bag_abilities a = { .size = sizeof a }, b = { .size = sizeof b };

    if (keel_bag_look(from, &a) != KEEL_OK || keel_bag_look(to, &b) != KEEL_OK)
        return "there are no two bags";
    if (!(a.effective & KEEL_CAN_SCAN))
        return "the first bag cannot scan";
    if ((a.effective & KEEL_CAN_TTL) && !(a.effective & KEEL_CAN_TELL_TTL))
        return "the first bag cannot tell when an item expires";
    if ((a.effective & KEEL_CAN_TTL) && !(b.effective & KEEL_CAN_TTL))
        return "the items of the second bag do not expire";
    if ((a.effective & KEEL_CAN_FLAGS) && !(b.effective & KEEL_CAN_FLAGS))
        return "the second bag keeps no flags";
    return NULL;
}

int keel_bag_tool_copy(const keel_bag_request *r)
{
    copying c = { .request = r, .why = KEEL_DETAIL_INIT };
    const char *cannot;
    int code;

    if (!keel_bag_tool_open(&c.to, r->runtime, r->arguments[0], &code))
        return code;
    cannot = cannot_copy(r->bag, c.to);
    if (cannot) {
        fprintf(stderr, "keel bag: %s\n", cannot);
        code = KEEL_EXIT_USAGE;
    } else {
        code = copy_all(&c);
    }
    free(c.keys);
    keel_bag_close(c.to);
    return code;
}
