/* SPDX-License-Identifier: MIT */
/* keel bag: the verbs of a bag, for people and scripts. Its command line. */
#include "bag.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/shown_text.h"
#include "base/text.h"
#include "keel.h"
#include "output.h"

static const char usage[] =
    "usage: keel bag get [--json] SPEC KEY\n"
    "       keel bag set|add|replace|append|prepend [--ttl LENGTH] [--flags NUMBER]\n"
    "                [--token TOKEN] SPEC KEY [VALUE]\n"
    "           without VALUE it is read from standard input\n"
    "       keel bag incr|decr SPEC KEY [NUMBER]\n"
    "       keel bag touch --ttl LENGTH SPEC KEY\n"
    "       keel bag delete [--token TOKEN] SPEC KEY\n"
    "       keel bag flush SPEC\n"
    "       keel bag scan [--prefix TEXT] [--zero] SPEC\n"
    "       keel bag copy [--prefix TEXT] [--only-new] SPEC TO_SPEC\n"
    "       keel bag describe [--json] SPEC\n"
    "       keel bag check SPEC\n"
    "           each with [--timeout LENGTH]; exits with 1 where there is no such "
    "item, or\n"
    "           there is one\n"
    "See keel-bag(1).\n";

static int wrong_usage(const char *what)
{
    fprintf(stderr, "keel bag: %s\n%s", what, usage);
    return KEEL_EXIT_USAGE;
}

/* ---- for all verbs ------------------------------------------------------------------- */

void keel_bag_tool_say(const char *before, const char *text)
{
    char shown[512];

    snprintf(shown, sizeof shown, "%s", text);
    keel_shown_text(shown);
    fprintf(stderr, "keel bag: %s%s%s\n", before, *before ? ": " : "", shown);
}

static int exit_code(keel_status status)
{
    if (keel_status_is_rejected(status))
        return KEEL_EXIT_REJECTED;
    switch (status) {
    case KEEL_OK:
        return 0;
    case KEEL_NOT_FOUND:
    case KEEL_NOT_STORED:
    case KEEL_EXISTS:
    case KEEL_NOT_NUMBER:
        return KEEL_BAG_EXIT_NO;
    case KEEL_E_ARGUMENT:
    case KEEL_E_TOO_LARGE:
    case KEEL_E_UNSUPPORTED:
        return KEEL_EXIT_USAGE;
    case KEEL_E_CONFIG:
        return KEEL_EXIT_CONFIG;
    case KEEL_E_NOMEM:
    case KEEL_E_SYSTEM:
        return KEEL_EXIT_SYSTEM;
    default:
        return KEEL_EXIT_UNAVAILABLE;
    }
}

static const char *answer_of(keel_status status)
{
    switch (status) {
    case KEEL_NOT_FOUND:
        return "there is none";
    case KEEL_NOT_STORED:
        return "not stored";
    case KEEL_EXISTS:
        return "it is another by now";
    case KEEL_NOT_NUMBER:
        return "no number";
    default:
        return NULL;
    }
}

int keel_bag_tool_ended(keel_status status, const char *key, const keel_detail *why)
{
    const char *text = answer_of(status);

    if (status != KEEL_OK && !text)
        text = *why->text ? why->text : keel_status_text(status);
    if (status == KEEL_UNKNOWN)
        keel_bag_tool_say(key, "it may have been done:");
    if (text)
        keel_bag_tool_say(key, text);
    return exit_code(status);
}

bool keel_bag_tool_open(keel_bag **bag, keel_runtime *runtime, const char *spec,
                        int *code)
{
    keel_detail why = KEEL_DETAIL_INIT;
    keel_status status = keel_bag_open(bag, runtime, KEEL_BAG_TOOL_NAME, spec, &why);

    if (status == KEEL_OK)
        return true;
    keel_bag_tool_say("", why.text);
    *code = status == KEEL_E_UNSUPPORTED ? KEEL_EXIT_CONFIG : exit_code(status);
    return false;
}

void keel_bag_token_write(char to[KEEL_BAG_TOKEN_TEXT], const keel_bag_token *token)
{
    size_t length = token->length;

    for (size_t i = 0; i < length; i++)
        snprintf(to + 2 * i, 3, "%02x", token->bytes[i]);
    to[2 * length] = '\0';
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c ? strchr(digits, c) : NULL;

    return found ? (int)(found - digits) : -1;
}

bool keel_bag_token_read(const char *text, keel_bag_token *token)
{
    size_t length = strlen(text);

    if (!length || length % 2 || length / 2 > KEEL_BAG_TOKEN_MAX)
        return false;
    token->length = (uint8_t)(length / 2);
    for (size_t i = 0; i < token->length; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        token->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* It may have grown since its length was told. */
keel_status keel_bag_read_whole(keel_bag *bag, const char *key, keel_bag_item *item,
                                const keel_bag_options *options, keel_detail *why)
{
    size_t room = 4096;
    keel_status status;

    *item = (keel_bag_item){ .size = sizeof *item };
    for (;;) {
        char *grown = realloc(item->buffer, room);

        if (!grown) {
            status = KEEL_E_NOMEM;
            break;
        }
        item->buffer = grown;
        item->capacity = room;
        status = keel_bag_get(bag, key, item, options, why);
        if (status != KEEL_E_BUFFER || item->length <= room)
            break; /* who wants no more room than it had would be asked for ever */
        room = item->length;
    }
    if (status != KEEL_OK) {
        free(item->buffer);
        item->buffer = NULL;
    }
    return status;
}

/* ---- which verb ---------------------------------------------------------------------- */

/* min, max: arguments behind SPEC. opens: the bag is open when it is run */
static const struct verb {
    const char *name;
    int min, max;
    bool opens;
    int (*run)(const keel_bag_request *request);
} verbs[] = {
    { "get", 1, 1, true, keel_bag_tool_get },
    { "set", 1, 2, true, keel_bag_tool_store },
    { "add", 1, 2, true, keel_bag_tool_store },
    { "replace", 1, 2, true, keel_bag_tool_store },
    { "append", 1, 2, true, keel_bag_tool_store },
    { "prepend", 1, 2, true, keel_bag_tool_store },
    { "incr", 1, 2, true, keel_bag_tool_count },
    { "decr", 1, 2, true, keel_bag_tool_count },
    { "touch", 1, 1, true, keel_bag_tool_touch },
    { "delete", 1, 1, true, keel_bag_tool_delete },
    { "flush", 0, 0, true, keel_bag_tool_flush },
    { "scan", 0, 0, true, keel_bag_tool_scan },
    { "copy", 1, 1, true, keel_bag_tool_copy },
    { "describe", 0, 0, true, keel_bag_tool_describe },
    { "check", 0, 0, false, keel_bag_tool_check },
};

static const struct verb *verb_of(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(verbs[i].name, name))
            return &verbs[i];
    return NULL;
}

static int run_verb(const struct verb *verb, keel_bag_request *request,
                    uint64_t timeout_ns)
{
    keel_detail why = KEEL_DETAIL_INIT;
    uint32_t marks = 0;
    int code;

    request->options.marks = &marks;
    if (keel_open(&request->runtime, NULL, &why) != KEEL_OK) {
        keel_bag_tool_say("", why.text);
        return why.code == KEEL_E_CONFIG ? KEEL_EXIT_CONFIG : KEEL_EXIT_SYSTEM;
    }
    if (timeout_ns)
        request->options.deadline_at_ns = keel_now(request->runtime) + timeout_ns;
    if (!verb->opens ||
        keel_bag_tool_open(&request->bag, request->runtime, request->spec, &code))
        code = verb->run(request);
    if (marks & KEEL_BAG_FROM_STANDBY)
        keel_bag_tool_say("", "a standby has taken it, and the primary has not");
    keel_bag_close(request->bag);
    keel_close(request->runtime, KEEL_S); /* reads that have lost a hedge */
    return keel_output_end("bag", code);
}

/* ---- arguments ----------------------------------------------------------------------- */

static const char *take_flags(keel_bag_request *r, const char *text)
{
    uint64_t flags;

    if (keel_parse_count(keel_text_of(text), &flags) || flags > UINT32_MAX)
        return "--flags takes a number of 32 bits";
    r->options.flags = (uint32_t)flags;
    return NULL;
}

static const char *take_ttl(keel_bag_request *r, const char *text)
{
    uint64_t ns;

    r->has_ttl = true;
    if (!strcmp(text, "never")) {
        r->options.ttl = keel_ttl_of(KEEL_TTL_NEVER, 0);
        return NULL;
    }
    if (keel_parse_duration(keel_text_of(text), &ns))
        return "--ttl takes a length of time, such as 10m, or never";
    r->options.ttl = keel_ttl_for_ms((int64_t)(ns / KEEL_MILLISECOND));
    return NULL;
}

static const char *take_option(keel_bag_request *r, int option, uint64_t *timeout_ns)
{
    switch (option) {
    case 'f':
        return take_flags(r, optarg);
    case 't':
        return take_ttl(r, optarg);
    case 'k':
        return keel_bag_token_read(optarg, &r->token) ? NULL
                                                      : "--token takes what get --json "
                                                        "has told";
    case 'w':
        return keel_parse_duration(keel_text_of(optarg), timeout_ns)
                   ? "--timeout takes a length of time, such as 2s"
                   : NULL;
    case 'p':
        r->prefix = optarg;
        return NULL;
    default:
        r->json = r->json || option == 'j';
        r->zero = r->zero || option == '0';
        r->only_new = r->only_new || option == 'n';
        return NULL;
    }
}

/* -1: go on; else what to exit with. */
static int take_options(keel_bag_request *r, uint64_t *timeout_ns, int argc,
                        char **argv)
{
    static const struct option options[] = {
        { "flags", required_argument, NULL, 'f' },
        { "ttl", required_argument, NULL, 't' },
        { "token", required_argument, NULL, 'k' },
        { "timeout", required_argument, NULL, 'w' },
        { "prefix", required_argument, NULL, 'p' },
        { "json", no_argument, NULL, 'j' },
        { "zero", no_argument, NULL, '0' },
        { "only-new", no_argument, NULL, 'n' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "h0", options, NULL)) != -1) {
        const char *wrong;

        if (option == 'h') {
            fputs(usage, stdout);
            return keel_output_end("bag", 0);
        }
        if (option == '?') {
            fputs(usage, stderr);
            return KEEL_EXIT_USAGE;
        }
        wrong = take_option(r, option, timeout_ns);
        if (wrong)
            return wrong_usage(wrong);
    }
    return -1;
}

int keel_tool_bag(int argc, char **argv)
{
    static char own_name[] = "keel bag";
    keel_bag_request request = { .options = { .size = sizeof request.options },
                                 .prefix = "" };
    const struct verb *verb;
    uint64_t timeout_ns = 0;
    int code;

    argv[0] = own_name; /* getopt's complaints begin with it */
    code = take_options(&request, &timeout_ns, argc, argv);
    if (code >= 0)
        return code;
    if (argc - optind < 2)
        return wrong_usage("a verb, and a SPEC");
    request.verb = argv[optind];
    verb = verb_of(request.verb);
    if (!verb)
        return wrong_usage("no such verb");
    request.spec = argv[optind + 1];
    request.arguments = argv + optind + 2;
    request.count = argc - optind - 2;
    if (request.count < verb->min || request.count > verb->max)
        return wrong_usage("not the arguments that the verb takes");
    return run_verb(verb, &request, timeout_ns);
}
