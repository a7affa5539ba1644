/* SPDX-License-Identifier: MIT */
/* The verbs of `keel bag` that concern one item, or the bag itself. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bag.h"
#include "base/text.h"
#include "keel.h"
#include "output.h"

/* ---- get ----------------------------------------------------------------------------- */

static bool is_text(const unsigned char *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if ((at[i] < ' ' && at[i] != '\n' && at[i] != '\t') || at[i] >= 0x7f)
            return false;
    return true;
}

/* Plain text as it is, all else as hexadecimal digits, since JSON holds no bytes. */
static void print_json_value(const keel_bag_item *item)
{
    const unsigned char *at = item->buffer;

    if (is_text(at, item->length)) {
        char *text = malloc(item->length + 1);

        if (!text)
            return;
        memcpy(text, at, item->length);
        text[item->length] = '\0';
        keel_print_json_text(stdout, ",", "value", text);
        free(text);
        return;
    }
    fputs(",\"value_hex\":\"", stdout);
    for (size_t i = 0; i < item->length; i++)
        printf("%02x", at[i]);
    fputs("\"", stdout);
}

/* What is worth knowing of the answer: "marks":["stale","from_cache"]. */
static void print_json_marks(uint32_t marks)
{
    static const struct {
        uint32_t mark;
        const char *name;
    } names[] = { { KEEL_BAG_STALE, "stale" },
                  { KEEL_BAG_FROM_CACHE, "from_cache" },
                  { KEEL_BAG_FROM_STANDBY, "from_standby" } };
    const char *before = "";

    fputs(",\"marks\":[", stdout);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!(marks & names[i].mark))
            continue;
        printf("%s\"%s\"", before, names[i].name);
        before = ",";
    }
    fputs("]", stdout);
}

static void print_json_item(const char *key, const keel_bag_item *item)
{
    char token[KEEL_BAG_TOKEN_TEXT];

    keel_bag_token_write(token, &item->token);
    fputs("{\"schema\":1", stdout);
    keel_print_json_text(stdout, ",", "key", key);
    keel_print_json_number(stdout, ",", "flags", item->flags);
    if (item->expires_at_ms > 0)
        keel_print_json_number(stdout, ",", "expires_at_ms",
                               (uint64_t)item->expires_at_ms);
    else
        printf(",\"expires_at_ms\":%s", item->expires_at_ms ? "null" : "0");
    keel_print_json_text(stdout, ",", "token", token);
    print_json_marks(item->marks);
    keel_print_json_number(stdout, ",", "length", item->length);
    print_json_value(item);
    fputs("}\n", stdout);
}

int keel_bag_tool_get(const keel_bag_request *r)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_bag_options options = r->options;
    keel_bag_item item;
    keel_status status;

    if (r->json)
        options.wishes |= KEEL_BAG_WANT_TOKEN | KEEL_BAG_WANT_TTL;
    status = keel_bag_read_whole(r->bag, r->arguments[0], &item, &options, &why);
    if (status == KEEL_OK && r->json)
        print_json_item(r->arguments[0], &item);
    else if (status == KEEL_OK)
        fwrite(item.buffer, 1, item.length, stdout);
    free(item.buffer);
    return keel_bag_tool_ended(status, r->arguments[0], &why);
}

/* ---- storing ------------------------------------------------------------------------- */

/* A value of any bytes; allocated. NULL: it cannot be read. */
static char *read_input(size_t *length)
{
    size_t room = 1 << 16;
    char *value = malloc(room);

    *length = 0;
    while (value) {
        char *grown;

        *length += fread(value + *length, 1, room - *length, stdin);
        if (*length < room)
            break;
        grown = realloc(value, room *= 2);
        if (!grown)
            free(value);
        value = grown;
    }
    if (value && !ferror(stdin))
        return value;
    free(value);
    return NULL;
}

static keel_status store(const keel_bag_request *r, const void *value, size_t length,
                         keel_detail *why)
{
    static const struct {
        const char *verb;
        keel_status (*run)(keel_bag *bag, const char *key, const void *value,
                           size_t length, const keel_bag_options *options,
                           keel_detail *why);
    } ways[] = {
        { "set", keel_bag_set },         { "add", keel_bag_add },
        { "replace", keel_bag_replace }, { "append", keel_bag_append },
        { "prepend", keel_bag_prepend },
    };
    size_t i = 0;

    if (r->token.length)
        return keel_bag_cas(r->bag, r->arguments[0], &r->token, value, length,
                            &r->options, why);
    while (strcmp(ways[i].verb, r->verb) != 0)
        i++;
    return ways[i].run(r->bag, r->arguments[0], value, length, &r->options, why);
}

static int wrong_usage(const char *what)
{
    fprintf(stderr, "keel bag: %s\n", what);
    return KEEL_EXIT_USAGE;
}

int keel_bag_tool_store(const keel_bag_request *r)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status;
    size_t length;
    char *value;

    if (r->token.length && strcmp(r->verb, "set") != 0)
        return wrong_usage("--token goes with set and delete");
    if (r->count == 2) {
        status = store(r, r->arguments[1], strlen(r->arguments[1]), &why);
        return keel_bag_tool_ended(status, r->arguments[0], &why);
    }
    value = read_input(&length);
    if (!value) {
        fputs("keel bag: standard input cannot be read\n", stderr);
        return KEEL_EXIT_SYSTEM;
    }
    status = store(r, value, length, &why);
    free(value);
    return keel_bag_tool_ended(status, r->arguments[0], &why);
}

/* ---- changing ------------------------------------------------------------------------ */

int keel_bag_tool_count(const keel_bag_request *r)
{
    keel_detail why = KEEL_DETAIL_INIT;
    uint64_t by = 1, number;
    keel_status status;

    if (r->count == 2 && keel_parse_count(keel_text_of(r->arguments[1]), &by))
        return wrong_usage("NUMBER is one of decimal digits");
    status =
        strcmp(r->verb, "decr") == 0
            ? keel_bag_decr(r->bag, r->arguments[0], by, &number, &r->options, &why)
            : keel_bag_incr(r->bag, r->arguments[0], by, &number, &r->options, &why);
    if (status == KEEL_OK)
        printf("%" PRIu64 "\n", number);
    return keel_bag_tool_ended(status, r->arguments[0], &why);
}

int keel_bag_tool_touch(const keel_bag_request *r)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status;

    if (!r->has_ttl)
        return wrong_usage("touch needs --ttl");
    status = keel_bag_touch(r->bag, r->arguments[0], &r->options, &why);
    return keel_bag_tool_ended(status, r->arguments[0], &why);
}

int keel_bag_tool_delete(const keel_bag_request *r)
{
    keel_detail why = KEEL_DETAIL_INIT;
    const char *key = r->arguments[0];
    keel_status status =
        r->token.length ? keel_bag_delete_cas(r->bag, key, &r->token, &r->options, &why)
                        : keel_bag_delete(r->bag, key, &r->options, &why);

    return keel_bag_tool_ended(status, key, &why);
}

int keel_bag_tool_flush(const keel_bag_request *r)
{
    keel_detail why = KEEL_DETAIL_INIT;

    return keel_bag_tool_ended(keel_bag_flush(r->bag, &r->options, &why), "flush",
                               &why);
}

/* ---- describe ------------------------------------------------------------------------ */

static void print_abilities(uint32_t set, const char *between, const char *quote)
{
    const char *before = "";

    for (unsigned bit = 0; bit < 31; bit++) {
        const char *name = keel_bag_ability_name((keel_bag_ability)(1 << bit));

        if (!name || !(set & (uint32_t)1 << bit))
            continue;
        printf("%s%s%s%s", before, quote, name, quote);
        before = between;
    }
}

static void print_json(const char *text, const keel_bag_abilities *a)
{
    fputs("{\"schema\":1", stdout);
    keel_print_json_text(stdout, ",", "bag", text);
    fputs(",\"native\":[", stdout);
    print_abilities(a->native, ",", "\"");
    fputs("],\"effective\":[", stdout);
    print_abilities(a->effective, ",", "\"");
    printf("],\"value_max\":%" PRIu64 ",\"batch_max\":%" PRIu32
           ",\"ttl_step_ms\":%" PRIu32 "}\n",
           a->value_max, a->batch_max, a->ttl_step_ms);
}

static void print_plain(const char *text, const keel_bag_abilities *a)
{
    printf("%s\ncan        ", text);
    print_abilities(a->effective, " ", "");
    printf("\nby itself  ");
    print_abilities(a->native, " ", "");
    printf("\nvalues     %" PRIu64 " bytes at most\n", a->value_max);
    printf("batches    %" PRIu32 " keys in one exchange\n", a->batch_max);
    printf("expiry     exact to %" PRIu32 " ms\n", a->ttl_step_ms);
}

int keel_bag_tool_describe(const keel_bag_request *r)
{
    keel_bag_abilities abilities = { .size = sizeof abilities };
    size_t length = keel_bag_describe(r->bag, NULL, 0);
    char *text = malloc(length + 1);

    if (!text || keel_bag_look(r->bag, &abilities) != KEEL_OK) {
        free(text);
        fputs("keel bag: out of memory\n", stderr);
        return KEEL_EXIT_SYSTEM;
    }
    keel_bag_describe(r->bag, text, length + 1);
    if (r->json)
        print_json(text, &abilities);
    else
        print_plain(text, &abilities);
    free(text);
    return 0;
}
