/* SPDX-License-Identifier: MIT */
/* Compare-and-set on the number of a breaker's lock in Redis. */
#include "ops/redis_lock.h"

#include "base/clock.h"
#include "base/detail.h"

/* What is known of a lock at one look. */
typedef struct seen {
    keel_lock_state standing;
    uint64_t number; /* of it, or of the last one that was lifted */
    bool is_known;   /* the breaker */
} seen;

static keel_status look(keel_redis_client *client, const char *name, seen *s,
                        keel_detail *why)
{
    keel_pipeline_view view;
    keel_status status = keel_redis_look(client, name, &view, &s->number, why);

    s->standing = view.lock;
    s->is_known = view.has_state || s->number;
    return status;
}

/* One that nobody has used for a while is only in the index. */
static keel_status find(keel_redis_client *client, const char *name, seen *s,
                        keel_detail *why)
{
    keel_status status;

    if (!keel_name_is_valid(name))
        return KEEL_E_ARGUMENT;
    status = look(client, name, s, why);
    if (status == KEEL_OK && !s->is_known)
        status = keel_redis_is_listed(client, name, &s->is_known, why);
    if (status != KEEL_OK)
        return status;
    return s->is_known ? KEEL_OK : KEEL_E_ARGUMENT;
}

static uint64_t ms_of(uint64_t ns)
{
    return ns / KEEL_MS + (ns % KEEL_MS != 0);
}

static keel_status set(keel_redis_client *client, const keel_wire_lock *lock,
                       bool *is_done, keel_detail *why)
{
    static const keel_wire_known nothing = { 0, UINT32_MAX };
    keel_wire_locked locked;
    redisReply *reply;
    keel_status status;

    keel_wire_lock_write(keel_redis_client_command(client), &client->fleet, lock);
    status = keel_redis_client_ask(client, &reply, why);
    if (status != KEEL_OK)
        return status;
    if (!keel_wire_lock_read(reply, &nothing, &locked))
        status = keel_redis_client_distrust(client, why);
    *is_done = status == KEEL_OK && locked.done;
    freeReplyObject(reply);
    return status;
}

static keel_status say_applied(keel_detail *why, keel_applied applied,
                               keel_status status)
{
    if (why)
        why->applied = applied;
    return status;
}

/* Of two who saw the same lock one comes second: his number is not the lock's any more. */
static keel_status swap(keel_redis_client *client, const char *name, keel_lock kind,
                        const keel_lock_options *options, seen *s, keel_detail *why)
{
    const keel_wire_lock lock = { .name = name,
                                  .kind = kind,
                                  .expected = options->any_version ? KEEL_WIRE_ANY_LOCK
                                                                   : s->number,
                                  .for_ms = ms_of(options->for_ns),
                                  .reason = options->reason ? options->reason : "",
                                  .actor = options->actor ? options->actor : "" };
    bool is_done = false;
    keel_status status = set(client, &lock, &is_done, why);

    if (status != KEEL_OK)
        return say_applied(why, KEEL_APPLIED_UNKNOWN, status);
    status = look(client, name, s, why);
    if (status != KEEL_OK)
        return say_applied(why, is_done ? KEEL_APPLIED_YES : KEEL_APPLIED_NO, status);
    return is_done ? KEEL_OK : KEEL_E_CONFLICT;
}

static bool is_expected(const seen *s, const keel_lock_options *options)
{
    uint64_t version = s->standing.size ? s->standing.version : 0;

    return options->any_version || options->version == version;
}

keel_status keel_redis_lock(keel_redis_client *client, const char *name, keel_lock lock,
                            const keel_lock_options *options, keel_lock_state *standing,
                            keel_lock_state *replaced, keel_detail *why)
{
    seen s = { .number = 0 };
    keel_status status = find(client, name, &s, why);
    bool has_to = lock != KEEL_LOCK_NONE || s.standing.size || options->version;

    *replaced = s.standing;
    if (status != KEEL_OK)
        say_applied(why, KEEL_APPLIED_NO, status);
    else if (has_to)
        status = is_expected(&s, options) ? swap(client, name, lock, options, &s, why)
                                          : KEEL_E_CONFLICT;
    *standing = s.standing;
    return status;
}
