/* SPDX-License-Identifier: MIT */
/*
 * A line is cut into words at blanks, and read by its verb's form. Nothing is written
 * into the input until a request is whole, since a line is read again when more of its
 * value has come.
 */
#include "serve_protocol.h"

#include <string.h>

#include "base/text.h"

#define BAD_FORMAT "CLIENT_ERROR bad command line format"
#define NO_COMMAND "ERROR"
#define BAD_EXPIRY "CLIENT_ERROR invalid exptime argument"
#define BAD_OPTION "CLIENT_ERROR invalid flag"
#define BAD_TOKEN "CLIENT_ERROR bad token in command line format"

/* More than that no length is: it may be a request of another protocol. */
#define LENGTH_MAX ((uint64_t)INT32_MAX - 2)

/* A key in base64, at most. */
#define SENT_KEY_MAX ((size_t)KEEL_BAG_KEY_MAX * 2)

/* ---- words --------------------------------------------------------------------------- */

/* A line as it is read: what is left of it. */
typedef struct line {
    char *begin, *at, *end;
} line;

/* In a get that goes on, keys that were given before end with a NUL by now. */
static bool is_gap(char c)
{
    return c == ' ' || c == '\0';
}

/* Empty: there is none any more. */
static keel_text next_word(line *l)
{
    keel_text word;

    while (l->at < l->end && is_gap(*l->at))
        l->at++;
    word.at = l->at;
    while (l->at < l->end && !is_gap(*l->at))
        l->at++;
    word.length = (size_t)(l->at - word.at);
    return word;
}

static bool has_more(line *l)
{
    while (l->at < l->end && is_gap(*l->at))
        l->at++;
    return l->at < l->end;
}

/* There is a byte behind every word: a blank, or the line's end. */
static const char *ended(keel_text word)
{
    char *end = (char *)word.at + word.length;

    *end = '\0';
    return word.at;
}

static bool read_number(keel_text word, uint64_t max, uint64_t *number)
{
    uint64_t n = 0;

    if (!word.length || word.length > 20)
        return false;
    for (size_t i = 0; i < word.length; i++) {
        uint64_t digit = (uint64_t)(unsigned char)word.at[i] - '0';

        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *number = n;
    return n <= max;
}

static bool read_expiry(keel_text word, int64_t *expiry)
{
    bool is_negative = word.length && word.at[0] == '-';
    uint64_t n;

    if (is_negative)
        word = (keel_text){ word.at + 1, word.length - 1 };
    if (!read_number(word, INT64_MAX, &n))
        return false;
    *expiry = is_negative ? -(int64_t)n : (int64_t)n;
    return true;
}

static bool is_key(keel_text word)
{
    return word.length && word.length <= KEEL_BAG_KEY_MAX;
}

/*
 * Whether "noreply" comes last, behind so many words at most: then nothing is answered
 * whatever is wrong with them, or the client would take it for its next answer.
 */
static bool wants_no_reply(line rest, unsigned words)
{
    keel_text word, last = { "", 0 };
    unsigned count = 0;

    for (word = next_word(&rest); word.length; word = next_word(&rest)) {
        last = word;
        count++;
    }
    return count <= words + 1 && keel_text_is(last, "noreply");
}

/* Whether there is nothing left but perhaps "noreply". */
static bool is_at_end(line *l)
{
    keel_text word = next_word(l);

    return (!word.length || keel_text_is(word, "noreply")) && !has_more(l);
}

/* ---- forms --------------------------------------------------------------------------- */

/* NULL: it is right; else the complaint. The words that are to be ended are kept in the
 * parse, and ended when the request is whole. */
typedef struct parse {
    keel_serve_parser *parser;
    keel_serve_request *request;
    line line;
    keel_text key;
    keel_text words[KEEL_SERVE_OPTIONS];
    bool has_value;      /* a value follows the line */
    bool knows_length;   /* and how long it is */
    const char *letters; /* options of a meta command */
    bool key_is_base64;
} parse;

static const char *read_keys(parse *x)
{
    keel_serve_request *r = x->request;

    if (x->parser->keys_at)
        x->line.at = x->line.begin + x->parser->keys_at;
    while (r->key_count < KEEL_SERVE_KEYS) {
        keel_text word = next_word(&x->line);

        if (!word.length)
            break;
        if (!is_key(word))
            return BAD_FORMAT;
        r->key_ends[r->key_count] = (size_t)(x->line.at - x->line.begin);
        r->keys[r->key_count++] = word.at;
    }
    r->is_at_end = !has_more(&x->line);
    return r->key_count ? NULL : NO_COMMAND;
}

static const char *form_keys(parse *x)
{
    return read_keys(x);
}

static const char *form_expiry_keys(parse *x)
{
    if (!read_expiry(next_word(&x->line), &x->request->expiry))
        return has_more(&x->line) ? BAD_EXPIRY : NO_COMMAND;
    return read_keys(x);
}

/* The length is read first, for that of a wrong line has to be passed over, too. */
static const char *form_store(parse *x)
{
    keel_serve_request *r = x->request;
    keel_text flags, expiry, length;
    uint64_t n = 0;

    x->key = next_word(&x->line);
    flags = next_word(&x->line);
    expiry = next_word(&x->line);
    r->is_quiet = wants_no_reply(x->line, r->verb == KEEL_SERVE_CAS ? 2 : 1);
    length = next_word(&x->line);
    x->has_value = true;
    if (!read_number(length, LENGTH_MAX, &n))
        return length.length ? BAD_FORMAT : NO_COMMAND;
    x->knows_length = true;
    r->length = n;
    if (!is_key(x->key) || !read_number(flags, UINT32_MAX, &n) ||
        !read_expiry(expiry, &r->expiry))
        return BAD_FORMAT;
    r->item_flags = (uint32_t)n;
    if (r->verb == KEEL_SERVE_CAS &&
        !read_number(next_word(&x->line), UINT64_MAX, &r->number))
        return BAD_FORMAT;
    return is_at_end(&x->line) ? NULL : BAD_FORMAT;
}

static const char *form_count(parse *x)
{
    keel_text by;

    x->key = next_word(&x->line);
    x->request->is_quiet = wants_no_reply(x->line, 1);
    by = next_word(&x->line);
    if (!by.length)
        return NO_COMMAND;
    if (!is_key(x->key))
        return BAD_FORMAT;
    if (!read_number(by, UINT64_MAX, &x->request->number))
        return "CLIENT_ERROR invalid numeric delta argument";
    return is_at_end(&x->line) ? NULL : BAD_FORMAT;
}

static const char *form_touch(parse *x)
{
    keel_text expiry;

    x->key = next_word(&x->line);
    x->request->is_quiet = wants_no_reply(x->line, 1);
    expiry = next_word(&x->line);
    if (!expiry.length)
        return NO_COMMAND;
    if (!is_key(x->key))
        return BAD_FORMAT;
    if (!read_expiry(expiry, &x->request->expiry))
        return BAD_EXPIRY;
    return is_at_end(&x->line) ? NULL : BAD_FORMAT;
}

/* Old clients send "delete KEY 0". */
static const char *form_delete(parse *x)
{
    line rest;

    x->key = next_word(&x->line);
    if (!x->key.length)
        return NO_COMMAND;
    x->request->is_quiet = wants_no_reply(x->line, 1);
    rest = x->line;
    if (!keel_text_is(next_word(&x->line), "0"))
        x->line = rest;
    if (!is_at_end(&x->line) || !is_key(x->key))
        return BAD_FORMAT ".  Usage: delete <key> [noreply]";
    return NULL;
}

static const char *form_flush(parse *x)
{
    line rest = x->line;
    keel_text delay = next_word(&x->line);

    x->request->is_quiet = wants_no_reply(rest, 1);
    if (!delay.length || keel_text_is(delay, "noreply"))
        x->line = rest;
    else if (!read_expiry(delay, &x->request->expiry))
        return BAD_EXPIRY;
    return is_at_end(&x->line) ? NULL : BAD_FORMAT;
}

static const char *form_verbosity(parse *x)
{
    keel_text level;
    uint64_t n;

    x->request->is_quiet = wants_no_reply(x->line, 1);
    level = next_word(&x->line);
    if (!level.length || keel_text_is(level, "noreply"))
        return NO_COMMAND;
    if (!read_number(level, UINT32_MAX, &n))
        return BAD_FORMAT;
    return is_at_end(&x->line) ? NULL : BAD_FORMAT;
}

static const char *form_alone(parse *x)
{
    return has_more(&x->line) ? NO_COMMAND : NULL;
}

/* Of its words one is of use. */
static const char *form_stats(parse *x)
{
    x->key = next_word(&x->line);
    return has_more(&x->line) ? NO_COMMAND : NULL;
}

/* Whatever follows is of no interest, as in memcached. */
static const char *form_nothing(parse *x)
{
    (void)x;
    return NULL;
}

/* ---- meta commands ------------------------------------------------------------------- */

static const char *read_argument(parse *x, char letter, keel_text text)
{
    keel_serve_request *r = x->request;
    uint64_t n = 0;

    switch (letter) {
    case 'T':
        r->has_expiry = true;
        return read_expiry(text, &r->expiry) ? NULL : BAD_TOKEN;
    case 'N':
        r->has_life = true;
        return read_expiry(text, &r->expiry) ? NULL : BAD_TOKEN;
    case 'F':
        if (!read_number(text, UINT32_MAX, &n))
            return BAD_TOKEN;
        r->item_flags = (uint32_t)n;
        return NULL;
    case 'C':
        r->has_token = true;
        return read_number(text, UINT64_MAX, &r->number) ? NULL : BAD_TOKEN;
    case 'D':
        return read_number(text, UINT64_MAX, &r->number)
                   ? NULL
                   : "CLIENT_ERROR invalid numeric delta value";
    case 'J':
        return read_number(text, UINT64_MAX, &r->initial)
                   ? NULL
                   : "CLIENT_ERROR invalid numeric initial value";
    case 'M':
        r->mode = text.length == 1 ? text.at[0] : '\0';
        return r->mode ? NULL : "CLIENT_ERROR incorrect length for M token";
    case 'b':
        x->key_is_base64 = true;
        return NULL;
    case 'O':
        return text.length <= 32 ? NULL : "CLIENT_ERROR opaque token too long";
    default:
        r->is_quiet = r->is_quiet || letter == 'q';
        return NULL;
    }
}

static const char *read_options(parse *x)
{
    keel_serve_request *r = x->request;
    uint64_t seen = 0;

    for (keel_text word = next_word(&x->line); word.length;
         word = next_word(&x->line)) {
        const keel_text text = { word.at + 1, word.length - 1 };
        const char *complaint;

        if (r->option_count == KEEL_SERVE_OPTIONS)
            return "CLIENT_ERROR options flags are too long";
        if (!strchr(x->letters, word.at[0]))
            return BAD_OPTION;
        if (seen & UINT64_C(1) << (word.at[0] - 'A'))
            return "CLIENT_ERROR duplicate flag";
        seen |= UINT64_C(1) << (word.at[0] - 'A');
        complaint = read_argument(x, word.at[0], text);
        if (complaint)
            return complaint;
        r->options[r->option_count].letter = word.at[0];
        x->words[r->option_count++] = text;
    }
    return NULL;
}

static const char *form_meta(parse *x)
{
    x->key = next_word(&x->line);
    if (!x->key.length)
        return NO_COMMAND;
    return x->key.length <= SENT_KEY_MAX ? read_options(x) : BAD_FORMAT;
}

static const char *form_meta_count(parse *x)
{
    x->request->number = 1;
    return form_meta(x);
}

static const char *form_meta_store(parse *x)
{
    keel_text length;
    uint64_t n;

    x->key = next_word(&x->line);
    length = next_word(&x->line);
    x->has_value = true;
    if (!x->key.length)
        return NO_COMMAND;
    if (!read_number(length, LENGTH_MAX, &n))
        return BAD_FORMAT;
    x->knows_length = true;
    x->request->length = n;
    return x->key.length <= SENT_KEY_MAX ? read_options(x) : BAD_FORMAT;
}

static int base64_digit(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c ? strchr(digits, c) : NULL;

    return found ? (int)(found - digits) : -1;
}

/* Of a key. False: it is none, or longer than one may be. */
static bool read_base64(keel_text text, char to[KEEL_BAG_KEY_MAX + 1])
{
    size_t length = 0;
    uint32_t bits = 0;
    unsigned held = 0;

    if (text.length % 4)
        return false;
    for (unsigned pads = 0; text.length && pads < 2; pads++)
        if (text.at[text.length - 1] == '=')
            text.length--;
    for (size_t i = 0; i < text.length; i++) {
        int digit = base64_digit(text.at[i]);

        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        if (length == KEEL_BAG_KEY_MAX || !(bits >> held & 0xff))
            return false;
        to[length++] = (char)(bits >> held & 0xff);
    }
    to[length] = '\0';
    return length > 0;
}

/* ---- verbs --------------------------------------------------------------------------- */

typedef struct form {
    const char *name;
    keel_serve_verb verb;
    const char *(*read)(parse *x);
    const char *letters;
} form;

/* Most frequent first. */
static const form forms[] = {
    { "get", KEEL_SERVE_GET, form_keys, NULL },
    { "set", KEEL_SERVE_SET, form_store, NULL },
    { "gets", KEEL_SERVE_GETS, form_keys, NULL },
    { "mg", KEEL_SERVE_META_GET, form_meta, "bcfkOqstvTPL" },
    { "ms", KEEL_SERVE_META_SET, form_meta_store, "bcCFkOqsTMPL" },
    { "delete", KEEL_SERVE_DELETE, form_delete, NULL },
    { "add", KEEL_SERVE_ADD, form_store, NULL },
    { "cas", KEEL_SERVE_CAS, form_store, NULL },
    { "incr", KEEL_SERVE_INCR, form_count, NULL },
    { "decr", KEEL_SERVE_DECR, form_count, NULL },
    { "touch", KEEL_SERVE_TOUCH, form_touch, NULL },
    { "gat", KEEL_SERVE_GAT, form_expiry_keys, NULL },
    { "gats", KEEL_SERVE_GATS, form_expiry_keys, NULL },
    { "replace", KEEL_SERVE_REPLACE, form_store, NULL },
    { "append", KEEL_SERVE_APPEND, form_store, NULL },
    { "prepend", KEEL_SERVE_PREPEND, form_store, NULL },
    { "md", KEEL_SERVE_META_DELETE, form_meta, "bCkOqPL" },
    { "ma", KEEL_SERVE_META_COUNT, form_meta_count, "bcDJkMNOqvPL" },
    { "mn", KEEL_SERVE_META_NOTHING, form_nothing, NULL },
    { "me", KEEL_SERVE_META_DEBUG, form_meta, "b" },
    { "version", KEEL_SERVE_VERSION, form_nothing, NULL },
    { "stats", KEEL_SERVE_STATS, form_stats, NULL },
    { "quit", KEEL_SERVE_QUIT, form_alone, NULL },
    { "verbosity", KEEL_SERVE_VERBOSITY, form_verbosity, NULL },
    { "flush_all", KEEL_SERVE_FLUSH, form_flush, NULL },
};

static const form *form_of(keel_text word)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (keel_text_is(word, forms[i].name))
            return &forms[i];
    return NULL;
}

static const char *read_line(parse *x)
{
    const form *f = form_of(next_word(&x->line));

    if (!f)
        return NO_COMMAND;
    x->request->verb = f->verb;
    x->letters = f->letters;
    return f->read(x);
}

/* ---- whole requests ------------------------------------------------------------------ */

/* The request is whole: from now on its words are texts. */
static const char *end_words(parse *x)
{
    keel_serve_request *r = x->request;

    for (size_t i = 0; i < r->key_count; i++)
        x->line.begin[r->key_ends[i]] = '\0';
    for (size_t i = 0; i < r->option_count; i++)
        r->options[i].text = ended(x->words[i]);
    if (!x->key.length)
        return NULL;
    r->word = r->sent_key = r->keys[0] = ended(x->key);
    r->key_count = 1;
    if (x->key_is_base64) {
        r->keys[0] = r->key_room;
        return read_base64(x->key, r->key_room) ? NULL : "CLIENT_ERROR bad key";
    }
    return !x->letters || x->key.length <= KEEL_BAG_KEY_MAX ? NULL : BAD_FORMAT;
}

static keel_serve_step complain(keel_serve_parser *p, keel_serve_request *r,
                                const char *complaint, size_t size)
{
    r->complaint = complaint;
    r->is_quiet = r->is_quiet && r->verb < KEEL_SERVE_META_GET; /* q hides no error */
    r->size = size;
    p->scanned = p->keys_at = p->wanted = 0;
    return KEEL_SERVE_WRONG;
}

/* A value that nobody wants is passed over; without its length nobody knows where the
 * next request begins. */
static keel_serve_step complain_of_line(parse *x, const char *complaint, size_t size)
{
    if (x->has_value && x->knows_length)
        x->parser->to_pass = (uint64_t)x->request->length + 2;
    x->request->ends = x->has_value && !x->knows_length;
    return complain(x->parser, x->request, complaint, size);
}

static keel_serve_step take(parse *x, size_t size)
{
    const char *complaint = end_words(x);

    if (complaint)
        return complain(x->parser, x->request, complaint, size);
    x->request->size = size;
    x->parser->wanted = 0;
    return KEEL_SERVE_REQUEST;
}

static keel_serve_step take_value(parse *x, size_t size, size_t held)
{
    keel_serve_parser *p = x->parser;
    keel_serve_request *r = x->request;

    if (r->length > p->value_max)
        return complain_of_line(x, "SERVER_ERROR object too large for cache", size);
    p->wanted = size + r->length + 2;
    if (held < p->wanted)
        return KEEL_SERVE_MORE;
    r->value = x->line.begin + size;
    if (memcmp(r->value + r->length, "\r\n", 2) == 0)
        return take(x, p->wanted);
    p->passes_line = true;
    return complain(p, r, "CLIENT_ERROR bad data chunk", size + r->length);
}

static keel_serve_step parse_line(keel_serve_parser *p, keel_serve_request *r, char *at,
                                  size_t size, size_t held)
{
    size_t length = size - 1;
    parse x = { .parser = p, .request = r };
    const char *complaint;

    if (length && at[length - 1] == '\r')
        length--;
    x.line = (line){ at, at, at + length };
    if (!p->keys_at && memchr(at, '\0', length)) {
        r->ends = true;
        return complain(p, r, BAD_FORMAT, size);
    }
    complaint = read_line(&x);
    if (complaint)
        return complain_of_line(&x, complaint, size);
    return x.has_value ? take_value(&x, size, held) : take(&x, size);
}

/* ---- passing over -------------------------------------------------------------------- */

static keel_serve_step pass(keel_serve_parser *p, const char *at, size_t length,
                            keel_serve_request *r)
{
    const char *newline;

    if (!length)
        return KEEL_SERVE_MORE;
    if (p->to_pass) {
        r->size = p->to_pass < length ? (size_t)p->to_pass : length;
        p->to_pass -= r->size;
        return KEEL_SERVE_PASSED;
    }
    newline = memchr(at, '\n', length);
    p->passes_line = !newline;
    r->size = newline ? (size_t)(newline - at) + 1 : length;
    return KEEL_SERVE_PASSED;
}

/* ---- all of it ----------------------------------------------------------------------- */

/* All but the large arrays, which have their counts. */
static void reset(keel_serve_request *r)
{
    r->key_count = r->option_count = r->length = r->size = 0;
    r->is_quiet = r->has_expiry = r->has_token = r->has_life = r->ends = false;
    r->is_at_end = true;
    r->value = r->complaint = NULL;
    r->word = r->sent_key = "";
    r->item_flags = 0;
    r->expiry = 0;
    r->number = r->initial = 0;
    r->mode = '\0';
}

keel_serve_step keel_serve_parse(keel_serve_parser *p, char *at, size_t length,
                                 keel_serve_request *request)
{
    char *newline;

    reset(request);
    if (p->to_pass || p->passes_line)
        return pass(p, at, length, request);
    newline =
        length > p->scanned ? memchr(at + p->scanned, '\n', length - p->scanned) : NULL;
    p->scanned = newline ? (size_t)(newline - at) : length;
    if (p->scanned > p->line_max) {
        request->ends = true;
        return complain(p, request, "CLIENT_ERROR line too long", length);
    }
    if (!newline)
        return KEEL_SERVE_MORE;
    return parse_line(p, request, at, p->scanned + 1, length);
}

size_t keel_serve_taken(keel_serve_parser *p, const keel_serve_request *request,
                        size_t answered)
{
    if (request->verb <= KEEL_SERVE_GATS &&
        (answered < request->key_count || !request->is_at_end)) {
        if (answered)
            p->keys_at = request->key_ends[answered - 1];
        return 0;
    }
    p->scanned = p->keys_at = 0;
    return request->size;
}

bool keel_serve_is_between(const keel_serve_parser *p, size_t held)
{
    return !held && !p->to_pass && !p->passes_line;
}
