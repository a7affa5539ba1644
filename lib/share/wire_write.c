/* SPDX-License-Identifier: MIT */
/* Commands for the scripts, as arguments of EVALSHA. Not for what comes back. */
#include "share/wire.h"

#include <stdio.h>
#include <string.h>

/* ---- arguments ------------------------------------------------------------------- */

void keel_command_init(keel_command *c, char *bytes, size_t size)
{
    c->count = 0;
    c->bytes = bytes;
    c->used = 0;
    c->size = size;
    c->failed = false;
}

static void argument_at(keel_command *c, const char *at, size_t length)
{
    if (c->count == KEEL_WIRE_ARGUMENTS)
        c->failed = true;
    if (c->failed)
        return;
    c->argv[c->count] = at;
    c->lengths[c->count++] = length;
}

/* Room for an argument's bytes; NULL: there is none. */
static char *reserve(keel_command *c, size_t length)
{
    char *at = c->bytes + c->used;

    if (length > c->size - c->used)
        c->failed = true;
    if (c->failed)
        return NULL;
    c->used += length;
    return at;
}

static void argument_copy(keel_command *c, const char *text, size_t length)
{
    char *at = reserve(c, length);

    if (!at)
        return;
    memcpy(at, text, length);
    argument_at(c, at, length);
}

static void argument_text(keel_command *c, const char *text)
{
    argument_copy(c, text, strlen(text));
}

static void argument_number(keel_command *c, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    argument_text(c, text);
}

/* What stands in a key or goes into a message has no byte that means something there. */
static bool is_plain(const char *text, size_t most)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                "0123456789._%-";
    size_t length = strspn(text, plain);

    return length > 0 && length <= most && !text[length];
}

/* name  NULL: the key is the namespace's own */
static void argument_key(keel_command *c, const keel_fleet *f, const char *kind,
                         const char *name)
{
    char key[KEEL_WIRE_TAG + KEEL_WIRE_NAME + 32];

    if (!is_plain(f->tag, KEEL_WIRE_TAG) || (name && !is_plain(name, KEEL_WIRE_NAME))) {
        c->failed = true;
        return;
    }
    snprintf(key, sizeof key, "keel1:{%s}:%s%s", f->tag, kind, name ? name : "");
    argument_text(c, key);
}

static void begin(keel_command *c, keel_script_id script, size_t keys)
{
    c->script = script;
    argument_at(c, "EVALSHA", 7);
    argument_at(c, keel_scripts[script].sha1, 40);
    argument_number(c, keys);
}

static bool end(const keel_command *c)
{
    return !c->failed;
}

void keel_command_bring_script(keel_command *c)
{
    c->argv[0] = "EVAL";
    c->lengths[0] = 4;
    c->argv[1] = keel_scripts[c->script].body;
    c->lengths[1] = keel_scripts[c->script].length;
}

static void argument_member(keel_command *c, const keel_fleet *f)
{
    if (is_plain(f->member, KEEL_WIRE_MEMBER))
        argument_text(c, f->member);
    else
        c->failed = true;
}

static void argument_sharded(keel_command *c, const keel_fleet *f)
{
    argument_at(c, f->sharded ? "1" : "0", 1);
}

/* ---- packed arguments ------------------------------------------------------------ */

/* Numbers in network order, one after the other, in room that was reserved. */
typedef struct packer {
    char *at;
} packer;

static bool pack_begin(packer *p, keel_command *c, size_t length)
{
    p->at = reserve(c, length);
    argument_at(c, p->at, length);
    return !c->failed;
}

static void pack(packer *p, unsigned bytes, uint64_t number)
{
    for (unsigned shift = 8 * bytes; shift > 0; shift -= 8)
        *p->at++ = (char)(number >> (shift - 8));
}

static void pack_opening(packer *p, const keel_wire_opening *o)
{
    pack(p, 4, o->first_ms);
    pack(p, 4, o->longest_ms);
    pack(p, 4, o->most_ms);
    pack(p, 4, o->multiplier_micro);
    pack(p, 4, o->jitter_ppm);
    pack(p, 4, o->stable_ms);
    pack(p, 4, o->wish_ms);
}

/* ---- sync ------------------------------------------------------------------------ */

enum { WANT_OPEN = 1, REGISTERS = 2, REPORT_SIZE = 93, DELTA_SIZE = 13 };

static void pack_seen(packer *p, const keel_wire_report *r)
{
    pack(p, 1, (r->want_open ? WANT_OPEN : 0) | (r->registers ? REGISTERS : 0));
    pack(p, 1, r->state);
    pack(p, 1, r->slots);
    pack(p, 1, r->delta_count);
    pack(p, 1, r->cause);
    pack(p, 4, r->cfg_hash);
    pack(p, 4, r->cfg_version);
    pack(p, 8, r->epoch);
    pack(p, 4, r->remaining_ms);
    pack(p, 4, r->since_ms);
    pack(p, 8, r->answered);
}

static void pack_policy(packer *p, const keel_wire_report *r)
{
    pack(p, 4, r->slot_ms);
    pack(p, 4, r->keep_ms);
    pack(p, 4, r->min_calls);
    pack(p, 4, r->failure_ppm);
    pack(p, 4, r->slow_ppm);
    pack(p, 4, r->consecutive);
    pack(p, 4, r->reporters);
    pack_opening(p, &r->opening);
}

static void argument_report(keel_command *c, const keel_wire_report *r)
{
    size_t length = REPORT_SIZE + (size_t)r->delta_count * DELTA_SIZE;
    packer p;

    if (!pack_begin(&p, c, length))
        return;
    pack_seen(&p, r);
    pack_policy(&p, r);
    for (size_t i = 0; i < r->delta_count; i++) {
        pack(&p, 1, r->deltas[i].age);
        pack(&p, 4, r->deltas[i].ok);
        pack(&p, 4, r->deltas[i].bad);
        pack(&p, 4, r->deltas[i].slow);
    }
}

static bool report_is_sound(const keel_wire_report *r)
{
    return r->slots >= 1 && r->slots <= KEEL_WIRE_SLOTS &&
           r->delta_count <= KEEL_WIRE_SLOTS && r->slot_ms >= 1 &&
           r->state <= KEEL_WIRE_UNKNOWN;
}

bool keel_wire_sync_write(keel_command *c, const keel_fleet *f, const keel_wire_sync *s)
{
    static const char *const own[] = { "b:", "lk:", "k:", "r:" };
    char candidate[24];

    if (s->count > KEEL_WIRE_BATCH)
        return false;
    begin(c, s->count ? KEEL_SCRIPT_SYNC : KEEL_SCRIPT_BEAT, 5 + 4 * s->count);
    argument_key(c, f, "meta", NULL);
    argument_key(c, f, "m", NULL);
    argument_key(c, f, "seq", NULL);
    argument_key(c, f, "idx", NULL);
    argument_key(c, f, "ev", NULL);
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < sizeof own / sizeof *own; k++)
            argument_key(c, f, own[k], s->reports[i].name);
    argument_member(c, f);
    argument_number(c, s->member_ms);
    snprintf(candidate, sizeof candidate, "%016llx", (unsigned long long)s->candidate);
    argument_text(c, candidate);
    if (!s->count)
        return end(c);
    argument_number(c, s->sequence);
    argument_sharded(c, f);
    for (size_t i = 0; i < s->count; i++) {
        if (!report_is_sound(&s->reports[i]))
            return false;
        argument_report(c, &s->reports[i]);
    }
    return end(c);
}

/* ---- half-open rounds ------------------------------------------------------------ */

static void keys_of_round(keel_command *c, const keel_fleet *f, const char *name)
{
    argument_key(c, f, "meta", NULL);
    argument_key(c, f, "ev", NULL);
    argument_key(c, f, "b:", name);
    argument_key(c, f, "lk:", name);
    argument_key(c, f, "l:", name);
    argument_member(c, f);
    argument_sharded(c, f);
}

bool keel_wire_claim_write(keel_command *c, const keel_fleet *f,
                           const keel_wire_claim *claim)
{
    enum { CLAIM_SIZE = 24 };
    packer p;

    begin(c, KEEL_SCRIPT_CLAIM, 5);
    keys_of_round(c, f, claim->name);
    if (!pack_begin(&p, c, CLAIM_SIZE))
        return false;
    pack(&p, 8, claim->epoch);
    pack(&p, 2, claim->permits);
    pack(&p, 2, claim->want);
    pack(&p, 4, claim->lease_ms);
    pack(&p, 4, claim->most_ms);
    pack(&p, 4, claim->keep_ms);
    return end(c);
}

bool keel_wire_result_write(keel_command *c, const keel_fleet *f,
                            const keel_wire_result *r)
{
    enum { SLOW = 1, LATE = 2, RESULT_SIZE = 56, NOT_JUDGED = 0xffff };
    packer p;

    begin(c, KEEL_SCRIPT_RESULT, 5);
    keys_of_round(c, f, r->name);
    if (!pack_begin(&p, c, RESULT_SIZE))
        return false;
    pack(&p, 8, r->epoch);
    pack(&p, 4, r->fence);
    pack(&p, 1, r->ending);
    pack(&p, 1, (r->slow ? SLOW : 0) | (r->late_decision ? LATE : 0));
    pack(&p, 2, r->permits);
    pack(&p, 2, r->allowed);
    pack(&p, 2, r->allowed_slow == UINT8_MAX ? NOT_JUDGED : r->allowed_slow);
    pack(&p, 4, r->lease_ms);
    pack(&p, 4, r->keep_ms);
    pack_opening(&p, &r->opening);
    return end(c);
}

/* ---- locks and looks ------------------------------------------------------------- */

bool keel_wire_lock_write(keel_command *c, const keel_fleet *f,
                          const keel_wire_lock *lock)
{
    begin(c, KEEL_SCRIPT_LOCK, 5);
    argument_key(c, f, "meta", NULL);
    argument_key(c, f, "ev", NULL);
    argument_key(c, f, "idx", NULL);
    argument_key(c, f, "b:", lock->name);
    argument_key(c, f, "lk:", lock->name);
    argument_text(c, lock->restored ? "restore" : "set");
    argument_number(c, (uint64_t)lock->kind);
    if (lock->expected == KEEL_WIRE_ANY_LOCK)
        argument_text(c, "any");
    else
        argument_number(c, lock->expected);
    argument_number(c, lock->for_ms);
    argument_text(c, lock->reason);
    argument_text(c, lock->actor);
    argument_number(c, lock->restored);
    argument_sharded(c, f);
    return end(c);
}

static void keys_of_look(keel_command *c, const keel_fleet *f, size_t breakers)
{
    begin(c, KEEL_SCRIPT_READ, 3 + KEEL_WIRE_LOOK_KEYS * breakers);
    argument_key(c, f, "meta", NULL);
    argument_key(c, f, "m", NULL);
    argument_key(c, f, "idx", NULL);
}

bool keel_wire_names_write(keel_command *c, const keel_fleet *f, uint32_t first,
                           uint32_t count)
{
    keys_of_look(c, f, 0);
    argument_number(c, first);
    argument_number(c, count);
    return end(c);
}

bool keel_wire_looks_write(keel_command *c, const keel_fleet *f,
                           const char *const names[], size_t count)
{
    static const char *const kinds[KEEL_WIRE_LOOK_KEYS] = { "b:",  "lk:", "bh:",
                                                            "bw:", "bl:", "rl:" };

    if (!count || count > KEEL_WIRE_BATCH)
        return false;
    keys_of_look(c, f, count);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < KEEL_WIRE_LOOK_KEYS; k++)
            argument_key(c, f, kinds[k], names[i]);
    return end(c);
}

/* ---- limits ---------------------------------------------------------------------- */

bool keel_wire_rate_write(keel_command *c, const keel_fleet *f, const keel_wire_rate *r)
{
    enum { RATE_SIZE = 32 };
    packer p;

    if (!r->count || !r->period_us || !r->burst)
        return false;
    begin(c, KEEL_SCRIPT_RATE, 1);
    argument_key(c, f, "rl:", r->name);
    if (!pack_begin(&p, c, RATE_SIZE))
        return false;
    pack(&p, 8, r->count);
    pack(&p, 8, r->period_us);
    pack(&p, 8, r->burst);
    pack(&p, 4, r->want);
    pack(&p, 4, r->give_back);
    return end(c);
}

bool keel_wire_places_write(keel_command *c, const keel_fleet *f,
                            const keel_wire_places *r)
{
    enum { PLACES_SIZE = 12 };
    packer p;

    if (r->want > KEEL_WIRE_PLACES || r->have > KEEL_WIRE_PLACES)
        return false;
    begin(c, KEEL_SCRIPT_PLACES, 3);
    argument_key(c, f, "bh:", r->name);
    argument_key(c, f, "bw:", r->name);
    argument_key(c, f, "bl:", r->name);
    argument_member(c, f);
    if (!pack_begin(&p, c, PLACES_SIZE))
        return false;
    pack(&p, 4, r->limit);
    pack(&p, 2, r->want);
    pack(&p, 2, r->have);
    pack(&p, 4, r->lease_ms);
    return end(c);
}

bool keel_wire_channel(const char *tag, char *channel, size_t size)
{
    int length = is_plain(tag, KEEL_WIRE_TAG)
                     ? snprintf(channel, size, "keel1:{%s}:ev", tag)
                     : -1;

    return length > 0 && (size_t)length < size;
}
