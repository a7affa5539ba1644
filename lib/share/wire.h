/* SPDX-License-Identifier: MIT */
/*
 * What keel and its scripts in Redis say to each other: commands made of plain structs,
 * replies and messages taken apart into plain structs. Pure functions, no I/O, no
 * memory of their own. scripts/README.md has the bytes.
 *
 * What comes from Redis is not trusted. Anything of the wrong type, size or range makes
 * the reading function return false, and then nothing of the answer is to be used;
 * numbers that would only make somebody wait are cut to what is possible.
 *
 * Milliseconds here, since they are the server's: 0xffffffff at most, as 49 days are.
 */
#ifndef KEEL_SHARE_WIRE_H
#define KEEL_SHARE_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include <hiredis/hiredis.h>
#include <keel/events.h>

#include "base/text.h"
#include "share/scripts.h"

enum {
    KEEL_WIRE_BATCH = 64,    /* breakers in one command */
    KEEL_WIRE_SLOTS = 64,    /* of a window */
    KEEL_WIRE_FENCES = 255,  /* leases of one claim */
    KEEL_WIRE_PLACES = 1024, /* of one member in a bulkhead */
    KEEL_WIRE_NAME = 128,    /* of a breaker, percent-encoded by the caller */
    KEEL_WIRE_TAG = 80,      /* namespace, or namespace.shard */
    KEEL_WIRE_MEMBER = 40,   /* hexadecimal digits and '-' */
    KEEL_WIRE_REASON = 256,  /* of a lock; longer ones are cut by the server */
    KEEL_WIRE_ACTOR = 128,   /* the same */
    KEEL_WIRE_LOOK_KEYS = 6, /* of a breaker that is looked at, and its limits */
    /* of a look at a batch; a sync has fewer */
    KEEL_WIRE_ARGUMENTS = 3 + 5 + KEEL_WIRE_LOOK_KEYS * KEEL_WIRE_BATCH + 5,
    KEEL_WIRE_BYTES_COMMON = 2048,
    KEEL_WIRE_BYTES_BREAKER = 2048
};

/* ---- commands -------------------------------------------------------------------- */

/* Ready for redisFormatCommandArgv. Points into the caller's bytes. */
typedef struct keel_command {
    int count;
    const char *argv[KEEL_WIRE_ARGUMENTS];
    size_t lengths[KEEL_WIRE_ARGUMENTS];
    char *bytes;
    size_t used, size;
    keel_script_id script;
    bool failed;
} keel_command;

/*
 * bytes, size  borrowed for as long as the command is used; enough are COMMON and
 *              BREAKER of the constants above for each breaker in it
 */
void keel_command_init(keel_command *command, char *bytes, size_t size);

/* After NOSCRIPT: the same command with the script's text instead of its SHA1. */
void keel_command_bring_script(keel_command *command);

/* Whom and what a command is for. Texts are borrowed. */
typedef struct keel_fleet {
    const char *tag;
    const char *member;
    bool sharded; /* SPUBLISH: the channel belongs to the slot (cluster, 7.0 on) */
} keel_fleet;

/* States of the wire are those of keel_breaker_state, and one more. */
enum { KEEL_WIRE_UNKNOWN = 3 };

/* How long a breaker that opens is to stay open. */
typedef struct keel_wire_opening {
    uint32_t first_ms, longest_ms;
    uint32_t most_ms; /* longest with the most jitter: nothing is open longer */
    uint32_t multiplier_micro; /* 2000000: twice as long each time in a row */
    uint32_t jitter_ppm;       /* drawn by the caller; 1000000: none */
    uint32_t stable_ms;        /* closed this long, it begins with first_ms again */
    uint32_t wish_ms;          /* of the other side; 0: none */
} keel_wire_opening;

typedef struct keel_wire_delta {
    uint8_t age; /* in slots; 0: now */
    uint32_t ok, bad;
    uint32_t slow; /* of those two together */
} keel_wire_delta;

typedef struct keel_wire_report {
    const char *name;
    /* what the member knew of the fleet's breaker; epoch 0, UNKNOWN: nothing */
    uint64_t epoch;
    uint8_t state;
    uint32_t remaining_ms;
    uint32_t since_ms; /* how long ago it came to this state */
    bool want_open;    /* share.trip=any: open without asking the others */
    uint8_t cause;     /* keel_cause, with want_open */
    bool registers;    /* at first and then every few minutes: "I know this breaker" */
    uint64_t answered; /* the last watch that a reply said this member has answered */

    uint32_t cfg_hash;
    uint32_t cfg_version; /* of different settings the latest decide */
    uint8_t slots;        /* 1..KEEL_WIRE_SLOTS */
    uint32_t slot_ms;
    uint32_t keep_ms; /* how long the key outlives its last use */
    uint32_t min_calls;
    uint32_t failure_ppm, slow_ppm; /* 0: not judged */
    uint32_t consecutive;           /* 0: not judged */
    uint32_t reporters;
    keel_wire_opening opening;

    const keel_wire_delta *deltas;
    uint8_t delta_count; /* at most KEEL_WIRE_SLOTS */
} keel_wire_report;

typedef struct keel_wire_sync {
    uint64_t sequence;  /* from 1; the same again only with the same reports */
    uint32_t member_ms; /* silent for longer than this, the member counts as gone; 0,
                           in a heartbeat: it leaves */
    uint64_t candidate; /* random: names the data's generation where there is none */
    const keel_wire_report *reports;
    size_t count; /* 0: a heartbeat, which has no sequence */
} keel_wire_sync;

typedef struct keel_wire_claim {
    const char *name;
    uint64_t epoch;
    uint8_t permits; /* of a round */
    uint8_t want;
    uint32_t lease_ms, most_ms, keep_ms;
} keel_wire_claim;

typedef enum keel_wire_ending {
    KEEL_WIRE_GOOD = 0,
    KEEL_WIRE_BAD = 1,
    KEEL_WIRE_UNUSED = 2,
    KEEL_WIRE_RENEW = 3
} keel_wire_ending;

typedef struct keel_wire_result {
    const char *name;
    uint64_t epoch;
    uint32_t fence;
    keel_wire_ending ending;
    bool slow;
    bool late_decision;   /* breaker.early_decision=off */
    uint8_t permits;      /* of a round */
    uint8_t allowed;      /* how many of them may fail */
    uint8_t allowed_slow; /* how many may be slow; 255: not judged */
    uint32_t lease_ms, keep_ms;
    keel_wire_opening opening;
} keel_wire_result;

#define KEEL_WIRE_ANY_LOCK UINT64_MAX

typedef struct keel_wire_lock {
    const char *name;
    keel_lock kind;    /* KEEL_LOCK_NONE lifts it */
    uint64_t expected; /* number of the lock this one replaces, or ANY_LOCK */
    uint64_t for_ms;   /* 0: until lifted */
    const char *reason, *actor;
    /* to bring back, with its number, a lock that the server lost; else 0 */
    uint64_t restored;
} keel_wire_lock;

typedef struct keel_wire_rate {
    const char *name;
    uint64_t count, period_us, burst;
    uint32_t want, give_back; /* tokens */
} keel_wire_rate;

typedef struct keel_wire_places {
    const char *name;
    uint32_t limit;
    uint16_t want; /* to hold from now on, those held already included */
    uint16_t have; /* according to the last answer */
    uint32_t lease_ms;
} keel_wire_places;

/* False: it does not fit, or a name, tag or member is none. */
bool keel_wire_sync_write(keel_command *c, const keel_fleet *f,
                          const keel_wire_sync *s);
bool keel_wire_claim_write(keel_command *c, const keel_fleet *f,
                           const keel_wire_claim *claim);
bool keel_wire_result_write(keel_command *c, const keel_fleet *f,
                            const keel_wire_result *r);
bool keel_wire_lock_write(keel_command *c, const keel_fleet *f,
                          const keel_wire_lock *lock);
bool keel_wire_names_write(keel_command *c, const keel_fleet *f, uint32_t first,
                           uint32_t count);
bool keel_wire_looks_write(keel_command *c, const keel_fleet *f,
                           const char *const names[], size_t count);
bool keel_wire_rate_write(keel_command *c, const keel_fleet *f,
                          const keel_wire_rate *r);
bool keel_wire_places_write(keel_command *c, const keel_fleet *f,
                            const keel_wire_places *p);

/* The channel of events, for (S)SUBSCRIBE. False: it does not fit. */
bool keel_wire_channel(const char *tag, char *channel, size_t size);

/* ---- replies --------------------------------------------------------------------- */

/*
 * What is known beforehand of a breaker, for judging what comes back.
 * epoch    the last one seen; 0: none
 * most_ms  the longest open time
 */
typedef struct keel_wire_known {
    uint64_t epoch;
    uint32_t most_ms;
} keel_wire_known;

/* The causes that only a fleet has; the others are keel_cause. */
enum {
    KEEL_WIRE_CAUSE_RESEEDED = 30, /* the server had lost it, a member knew it */
    KEEL_WIRE_CAUSE_SPLIT = 31     /* two histories met */
};

typedef struct keel_wire_view {
    uint8_t state; /* UNKNOWN: nothing, or nothing believable */
    uint8_t cause;
    uint64_t epoch;
    uint32_t remaining_ms; /* open: until probes may pass */
    uint32_t since_ms;     /* how long ago it came to this state */
    keel_lock lock;
    uint64_t lock_epoch;        /* 0: there is no memory of one */
    uint32_t lock_remaining_ms; /* 0: no end */
    uint64_t watch;    /* not 0: report at once all that was counted, as its answer */
    uint32_t again_ms; /* not 0: report again then, the verdict waits for it */
    bool mismatch;     /* another member's settings count; these outcomes did not */
    bool refused;      /* our epoch was absurd: forget it */
    bool newer;        /* a later keel keeps it: look, report nothing */
} keel_wire_view;

typedef struct keel_wire_synced {
    uint64_t now_ms;
    uint64_t gen;
    uint32_t min_reader; /* above KEEL_WIRE_FORMAT: share no more; the rest is unset */
    uint32_t pace_ms;    /* no ordinary report before this; what answers a watch or
                            wants to open does not wait */
    uint32_t live;       /* members, this one included */
    bool applied;        /* false: the sequence was known, the reports were only read */
    uint64_t corrupt;    /* things that had to be replaced */
} keel_wire_synced;

enum { KEEL_WIRE_FORMAT = 1 };

typedef enum keel_wire_claimed_as {
    KEEL_WIRE_GRANTED = 0,
    KEEL_WIRE_LOST = 1,     /* the server does not know the breaker: sync */
    KEEL_WIRE_STALE = 2,    /* another epoch: see the view */
    KEEL_WIRE_EARLY = 3,    /* still open */
    KEEL_WIRE_FULL = 4,     /* all places are out */
    KEEL_WIRE_NOT_OPEN = 5, /* closed */
    KEEL_WIRE_LOCKED = 6
} keel_wire_claimed_as;

typedef struct keel_wire_claimed {
    keel_wire_claimed_as as;
    keel_wire_view view;
    uint32_t lease_ms;
    size_t count;
    uint32_t fences[KEEL_WIRE_FENCES];
} keel_wire_claimed;

typedef enum keel_wire_ended_as {
    KEEL_WIRE_COUNTED = 0,
    KEEL_WIRE_IGNORED = 1, /* another epoch: it came too late */
    KEEL_WIRE_EXPIRED =
        2, /* the lease was over; a bad outcome has opened the breaker */
    KEEL_WIRE_RETURNED = 3,
    KEEL_WIRE_RENEWED = 4
} keel_wire_ended_as;

typedef struct keel_wire_ended {
    keel_wire_ended_as as;
    keel_wire_view view;
    bool waiting; /* others want a place: do not renew one that nobody needs */
} keel_wire_ended;

typedef struct keel_wire_locked {
    bool done; /* false: the lock is another one than expected, this one: */
    keel_wire_view view;
    keel_text reason, actor; /* in the reply */
} keel_wire_locked;

typedef struct keel_wire_look {
    keel_wire_view view;
    keel_text reason, actor; /* of the lock; in the reply; any bytes */
    uint64_t locked_at_ms;
    uint64_t calls, bad, slow;      /* in the window; open: in the one that opened it */
    uint64_t places, places_limit;  /* limit 0: none is known */
    uint64_t others_wait;           /* 1: for places */
    uint64_t tokens;                /* left; without those that members have in stock */
    uint64_t rate_count, period_us; /* count 0: no limit is known */
    uint64_t burst;
} keel_wire_look;

/* views: count of them, in the order of the reports */
bool keel_wire_sync_read(const redisReply *reply, const keel_wire_sync *asked,
                         keel_wire_synced *synced, keel_wire_view *views);
bool keel_wire_claim_read(const redisReply *reply, const keel_wire_claim *asked,
                          keel_wire_claimed *claimed);
bool keel_wire_result_read(const redisReply *reply, const keel_wire_known *known,
                           keel_wire_ended *ended);
bool keel_wire_lock_read(const redisReply *reply, const keel_wire_known *known,
                         keel_wire_locked *locked);

/*
 * count   of names that were read; those that cannot be ours are left out
 * listed  on this page, ours or not; 0: it was behind the last one
 * live    members
 */
typedef struct keel_wire_page {
    size_t count;
    size_t listed;
    uint32_t live;
} keel_wire_page;

/* names: size of them, in the reply */
bool keel_wire_names_read(const redisReply *reply, keel_text *names, size_t size,
                          keel_wire_page *page);
bool keel_wire_looks_read(const redisReply *reply, keel_wire_look *looks, size_t count);

/* wait_ms: until there will be one more, where fewer were granted than wanted */
bool keel_wire_rate_read(const redisReply *reply, uint32_t want, uint32_t *granted,
                         uint32_t *wait_ms);
bool keel_wire_places_read(const redisReply *reply, uint16_t want, uint16_t *granted,
                           bool *waiting);

/* ---- messages -------------------------------------------------------------------- */

typedef struct keel_wire_event {
    keel_text name; /* in the message */
    keel_wire_view view;
} keel_wire_event;

/*
 * Takes a message of the channel apart: gen once, then one event at each call of next,
 * until it returns false. Lines that cannot be ours are passed over.
 */
typedef struct keel_wire_message {
    uint64_t gen; /* 0: the sender knew none */
    keel_text rest;
} keel_wire_message;

bool keel_wire_message_read(keel_text text, keel_wire_message *message);
bool keel_wire_message_next(keel_wire_message *message, keel_wire_event *event);

/*
 * Whether an epoch may follow one that was seen: below 2^53, and less than 2^20 ahead
 * of one that is not 0. A message has to be asked about by who knows the breaker.
 */
bool keel_wire_epoch_is_plausible(uint64_t seen, uint64_t epoch);

/* The same with the view's other numbers cut to what is possible. */
void keel_wire_view_judge(keel_wire_view *view, const keel_wire_known *known);

#endif
