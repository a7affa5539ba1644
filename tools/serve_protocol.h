/* SPDX-License-Identifier: MIT */
/*
 * memcached's text protocol as a server reads it: requests out of bytes that come in as
 * they like, the classic commands and the meta commands. It keeps no bytes and does no
 * I/O; nothing that is sent makes it want more than a line and a value. What a request
 * comes to is serve_answer.h's.
 *
 * Source  protocol.txt of memcached 1.6, and what 1.6.18 answers where that is silent
 */
#ifndef KEEL_TOOLS_SERVE_PROTOCOL_H
#define KEEL_TOOLS_SERVE_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <keel/bag.h>

typedef enum keel_serve_verb {
    KEEL_SERVE_GET,
    KEEL_SERVE_GETS,
    KEEL_SERVE_GAT,
    KEEL_SERVE_GATS,
    KEEL_SERVE_SET,
    KEEL_SERVE_ADD,
    KEEL_SERVE_REPLACE,
    KEEL_SERVE_APPEND,
    KEEL_SERVE_PREPEND,
    KEEL_SERVE_CAS,
    KEEL_SERVE_INCR,
    KEEL_SERVE_DECR,
    KEEL_SERVE_TOUCH,
    KEEL_SERVE_DELETE,
    KEEL_SERVE_FLUSH,
    KEEL_SERVE_VERSION,
    KEEL_SERVE_VERBOSITY,
    KEEL_SERVE_STATS,
    KEEL_SERVE_QUIT,
    KEEL_SERVE_META_GET,
    KEEL_SERVE_META_SET,
    KEEL_SERVE_META_DELETE,
    KEEL_SERVE_META_COUNT,
    KEEL_SERVE_META_NOTHING,
    KEEL_SERVE_META_DEBUG
} keel_serve_verb;

enum {
    KEEL_SERVE_KEYS = 64,   /* of one part of a get */
    KEEL_SERVE_OPTIONS = 20 /* of a meta command */
};

/* What a meta command asks for, in its order: "O123" is 'O' and "123". */
typedef struct keel_serve_option {
    char letter;
    const char *text;
} keel_serve_option;

/*
 * A request; texts lie in the input, and end with a NUL.
 *
 * is_quiet    noreply, or q
 * keys        of a get, which may have any number, those of this part of it
 * is_at_end   these are the last
 * value       of what is stored; length bytes
 * item_flags, expiry, number
 *             as the verb has them; number is what to add, or a cas token
 * initial     ma, J
 * has_expiry, has_token, has_life
 *             mg T, ms and md C, ma N
 * mode        ms and ma, M; 0: none
 * word        of stats; "" : none
 * sent_key    of a meta command, as it was written: it may be base64
 * complaint   why it is no request: to be answered, unless is_quiet
 * ends        and the connection is of no more use
 */
typedef struct keel_serve_request {
    keel_serve_verb verb;
    bool is_quiet;
    const char *keys[KEEL_SERVE_KEYS];
    size_t key_count;
    bool is_at_end;
    const char *value;
    size_t length;
    uint32_t item_flags;
    int64_t expiry;
    uint64_t number;
    uint64_t initial;
    bool has_expiry, has_token, has_life;
    char mode;
    const char *word;
    const char *sent_key;
    keel_serve_option options[KEEL_SERVE_OPTIONS];
    size_t option_count;
    const char *complaint;
    bool ends;
    /* the parser's */
    size_t size; /* bytes of input that it is made of */
    size_t key_ends[KEEL_SERVE_KEYS];
    char key_room[KEEL_BAG_KEY_MAX + 1];
} keel_serve_request;

/* Of a connection. line_max, value_max: set once; all else zero. */
typedef struct keel_serve_parser {
    size_t line_max, value_max;
    size_t scanned;   /* bytes of this line that hold no newline */
    size_t keys_at;   /* where in its line a get goes on; 0: at its beginning */
    uint64_t to_pass; /* bytes of a value that is not wanted */
    bool passes_line; /* and a line */
    size_t wanted; /* bytes of input that would do, as far as is known; 0: not known */
} keel_serve_parser;

typedef enum keel_serve_step {
    KEEL_SERVE_MORE,    /* more input is needed */
    KEEL_SERVE_PASSED,  /* request->size bytes are of no use: drop them, and go on */
    KEEL_SERVE_REQUEST, /* answer it, then keel_serve_taken */
    KEEL_SERVE_WRONG    /* complain, then drop request->size bytes */
} keel_serve_step;

/*
 * The next step of all the input that there is; `at` stays the same bytes until
 * something is dropped from its front.
 */
keel_serve_step keel_serve_parse(keel_serve_parser *p, char *at, size_t length,
                                 keel_serve_request *request);

/*
 * So many of its keys have been answered; of all verbs but gets, any number is all.
 * Returns how many bytes of input to drop; 0: the rest of the line is still to be parsed.
 */
size_t keel_serve_taken(keel_serve_parser *p, const keel_serve_request *request,
                        size_t answered);

/* Whether it stands between two requests, and not amid one. */
bool keel_serve_is_between(const keel_serve_parser *p, size_t held);

#endif
