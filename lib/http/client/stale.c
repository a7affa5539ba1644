/* SPDX-License-Identifier: MIT */
/*
 * Entries hang in buckets by URL, so that one that changes is forgotten with all its
 * variants, and in a ring by use. What is taken out is freed when the lock is open
 * again, and what comes in was made before.
 */
#include "http/client/stale.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"

enum { BYTES_A_BUCKET = 4096, LEAST_BUCKETS = 16, MOST_BUCKETS = 65536 };

typedef struct entry {
    struct entry *chained;  /* of its bucket; once out, of those to be freed */
    struct entry *next;     /* the one used after it */
    struct entry *previous; /* the one used before */
    keel_shared_answer *answer;
    uint64_t expires_at;
    uint64_t until; /* not served from then on */
    size_t bytes;
    keel_request_key *key; /* behind the entry, in the same block */
} entry;

/* answers_mu guards: used, bytes, buckets and all entries */
struct keel_stale {
    const keel_allocator *memory;
    uint64_t seed;
    _Atomic size_t most_bytes; /* relaxed: a number, and no more than that */
    size_t bucket_count;
    pthread_mutex_t answers_mu;
    entry used; /* of the ring both ends: next is the first to go, previous the last */
    size_t bytes;
    entry *buckets[];
};

/* ---- entries ------------------------------------------------------------------- */

static entry **bucket_of(keel_stale *a, const char *url, size_t length)
{
    return &a->buckets[keel_request_hash(url, length, a->seed) % a->bucket_count];
}

static entry **find_locked(keel_stale *a, const keel_request_key *key)
{
    entry **at = bucket_of(a, key->text, key->url_length);

    while (*at && !keel_request_key_equals((*at)->key, key))
        at = &(*at)->chained;
    return at;
}

static void unring_locked(entry *e)
{
    e->previous->next = e->next;
    e->next->previous = e->previous;
}

static void ring_locked(keel_stale *a, entry *e)
{
    e->next = &a->used;
    e->previous = a->used.previous;
    e->previous->next = e->next->previous = e;
}

/* Takes out the entry that `at` points to, if any, and puts it before those to free. */
static void take_out_locked(keel_stale *a, entry **at, entry **out)
{
    entry *e = *at;

    if (!e)
        return;
    *at = e->chained;
    unring_locked(e);
    a->bytes -= e->bytes;
    e->chained = *out;
    *out = e;
}

static void free_entries(const keel_stale *a, entry *first)
{
    while (first) {
        entry *next = first->chained;

        keel_shared_answer_drop(first->answer);
        keel_memory_free(a->memory, first);
        first = next;
    }
}

static size_t most_bytes(const keel_stale *a)
{
    return atomic_load_explicit(&a->most_bytes, memory_order_relaxed);
}

static void drop_too_much_locked(keel_stale *a, entry **out)
{
    while (a->bytes > most_bytes(a))
        take_out_locked(a, find_locked(a, a->used.next->key), out);
}

/* ---- keeping ------------------------------------------------------------------- */

/* NULL: no memory, or too large to be kept at all. */
static entry *make_entry(const keel_stale *a, const keel_request_key *key,
                         keel_shared_answer *answer)
{
    size_t key_bytes = sizeof *key + key->length;
    size_t bytes = sizeof(entry) + key_bytes + sizeof *answer + answer->head_length +
                   answer->body_length;
    entry *e = NULL;

    if (bytes <= most_bytes(a))
        e = keel_memory_new(a->memory, sizeof *e + key_bytes);
    if (!e)
        return NULL;
    e->bytes = bytes;
    e->answer = keel_shared_answer_hold(answer);
    e->key = (keel_request_key *)(e + 1);
    memcpy(e->key, key, key_bytes);
    return e;
}

/* The variant of its URL that came first makes room for one too many. */
static void limit_variants_locked(keel_stale *a, const keel_request_key *key,
                                  entry **out)
{
    entry **at = bucket_of(a, key->text, key->url_length);
    entry **oldest = NULL;
    unsigned count = 0;

    for (; *at; at = &(*at)->chained) {
        if (strcmp((*at)->key->text, key->text) != 0)
            continue;
        oldest = at;
        count++;
    }
    if (count > KEEL_STALE_VARIANTS)
        take_out_locked(a, oldest, out);
}

static void insert_locked(keel_stale *a, entry *e, entry **out)
{
    entry **at = bucket_of(a, e->key->text, e->key->url_length);

    e->chained = *at;
    *at = e;
    ring_locked(a, e);
    a->bytes += e->bytes;
    limit_variants_locked(a, e->key, out);
    drop_too_much_locked(a, out);
}

void keel_stale_keep(keel_stale *a, const keel_request_key *key,
                     keel_shared_answer *answer, const keel_cache_rules *rules,
                     uint64_t stale_ns, uint64_t now_ns)
{
    uint64_t expires_at =
        keel_ns_left(keel_ns_add(now_ns, rules->fresh_ns), rules->expired_ns);
    uint64_t until =
        keel_ns_add(expires_at, keel_ns_min(stale_ns, rules->stale_if_error_ns));
    entry *made = NULL, *out = NULL;

    if (answer->status != KEEL_OK)
        return;
    if (rules->may_keep && until > now_ns)
        made = make_entry(a, key, answer);
    pthread_mutex_lock(&a->answers_mu);
    take_out_locked(a, find_locked(a, key), &out);
    if (made) {
        made->expires_at = expires_at;
        made->until = until;
        insert_locked(a, made, &out);
    }
    pthread_mutex_unlock(&a->answers_mu);
    free_entries(a, out);
}

void keel_stale_limit(keel_stale *a, size_t most)
{
    entry *out = NULL;

    if (most_bytes(a) == most)
        return;
    pthread_mutex_lock(&a->answers_mu);
    atomic_store_explicit(&a->most_bytes, most, memory_order_relaxed);
    drop_too_much_locked(a, &out);
    pthread_mutex_unlock(&a->answers_mu);
    free_entries(a, out);
}

bool keel_stale_may_serve(keel_status status)
{
    return keel_status_is_rejected(status) || status == KEEL_FAILED ||
           status == KEEL_THROTTLED || status == KEEL_TIMEOUT ||
           status == KEEL_DEADLINE || status == KEEL_UNKNOWN;
}

/* ---- finding and forgetting ---------------------------------------------------- */

keel_shared_answer *keel_stale_find(keel_stale *a, const keel_request_key *key,
                                    uint64_t now_ns, uint64_t *expired_ns)
{
    keel_shared_answer *answer = NULL;
    entry *out = NULL, **at;

    *expired_ns = 0;
    pthread_mutex_lock(&a->answers_mu);
    at = find_locked(a, key);
    if (*at && now_ns >= (*at)->until) {
        take_out_locked(a, at, &out);
    } else if (*at) {
        unring_locked(*at);
        ring_locked(a, *at);
        answer = keel_shared_answer_hold((*at)->answer);
        *expired_ns = keel_ns_left(now_ns, (*at)->expires_at);
    }
    pthread_mutex_unlock(&a->answers_mu);
    free_entries(a, out);
    return answer;
}

void keel_stale_forget(keel_stale *a, const char *url)
{
    entry *out = NULL, **at;

    pthread_mutex_lock(&a->answers_mu);
    at = bucket_of(a, url, strlen(url));
    while (*at)
        if (strcmp((*at)->key->text, url) != 0)
            at = &(*at)->chained;
        else
            take_out_locked(a, at, &out);
    pthread_mutex_unlock(&a->answers_mu);
    free_entries(a, out);
}

size_t keel_stale_bytes(keel_stale *a)
{
    size_t bytes;

    pthread_mutex_lock(&a->answers_mu);
    bytes = a->bytes;
    pthread_mutex_unlock(&a->answers_mu);
    return bytes;
}

/* ---- opening and closing ------------------------------------------------------- */

static size_t buckets_for(size_t bytes)
{
    size_t count = LEAST_BUCKETS;

    while (count < MOST_BUCKETS && count < bytes / BYTES_A_BUCKET)
        count *= 2;
    return count;
}

bool keel_stale_open(keel_stale **answers, const keel_allocator *memory, size_t most)
{
    size_t count = buckets_for(most);
    keel_stale *a = keel_memory_new(memory, sizeof *a + count * sizeof(entry *));

    *answers = NULL;
    if (!a)
        return false;
    if (pthread_mutex_init(&a->answers_mu, NULL)) {
        keel_memory_free(memory, a);
        return false;
    }
    a->memory = memory;
    a->seed = keel_random_number();
    atomic_init(&a->most_bytes, most);
    a->bucket_count = count;
    a->used.next = a->used.previous = &a->used;
    *answers = a;
    return true;
}

void keel_stale_close(keel_stale *a)
{
    entry *out = NULL;

    if (!a)
        return;
    while (a->used.next != &a->used)
        take_out_locked(a, find_locked(a, a->used.next->key), &out);
    free_entries(a, out);
    pthread_mutex_destroy(&a->answers_mu);
    keel_memory_free(a->memory, a);
}
