/* SPDX-License-Identifier: MIT */
/* Taking words and bytes, and waiting for them. */
#include "bag/store/file_lock.h"

#include <errno.h>
#include <fcntl.h>

#include "base/detail.h"

enum { FREE, TAKEN, AWAITED };

/* Where the bytes begin: behind all that is written into the file. */
enum { BYTES_AT = 4096 };

#define CANCEL_LOOK_NS                                                                 \
    (10 * KEEL_MS) /* a token wakes who sleeps on its word, not here */
#define LEAST_PAUSE_NS (KEEL_MS / 10)
#define MOST_PAUSE_NS (2 * KEEL_MS)

/* ---- waiting ------------------------------------------------------------------------- */

/* KEEL_OK: look again. At most step_ns, and until the word is another. */
static keel_status wait_a_while(const keel_file_store *s, const _Atomic uint32_t *word,
                                uint32_t seen, uint64_t step_ns, const keel_bag_op *op,
                                keel_detail *why)
{
    uint64_t now = s->clock->now(s->clock->ctx);

    if (op->cancel && keel_cancel_fired(op->cancel))
        return keel_bag_fail(why, KEEL_CANCELLED, KEEL_APPLIED_NO, s->path,
                             "cancelled while it waited for a lock");
    if (now >= op->deadline_at_ns)
        return keel_bag_fail(why, KEEL_DEADLINE, KEEL_APPLIED_NO, s->path,
                             "its lock was not free in time");
    s->clock->wait((const uint32_t *)word, seen,
                   keel_ns_min(keel_ns_add(now, step_ns), op->deadline_at_ns),
                   s->clock->ctx);
    return KEEL_OK;
}

/* ---- between threads ----------------------------------------------------------------- */

static bool try_word(_Atomic uint32_t *word)
{
    uint32_t was = FREE;

    return atomic_compare_exchange_strong(word, &was, TAKEN);
}

/* Three values, so that nobody is woken where nobody waits (Drepper, "Futexes are
 * tricky"). */
static keel_status lock_word(keel_file_store *s, _Atomic uint32_t *word,
                             const keel_bag_op *op, keel_detail *why)
{
    keel_status status = KEEL_OK;

    if (try_word(word))
        return KEEL_OK;
    while (status == KEEL_OK && atomic_exchange(word, AWAITED) != FREE)
        status = wait_a_while(s, word, AWAITED,
                              op->cancel ? CANCEL_LOOK_NS : KEEL_NEVER, op, why);
    return status;
}

static void unlock_word(keel_file_store *s, _Atomic uint32_t *word)
{
    if (atomic_exchange(word, FREE) == AWAITED)
        s->clock->wake((const uint32_t *)word, 1, s->clock->ctx);
}

/* ---- between processes --------------------------------------------------------------- */

static bool set_byte(keel_file_store *s, uint32_t number, short type)
{
    struct flock lock = { .l_type = type,
                          .l_whence = SEEK_SET,
                          .l_start = BYTES_AT + (off_t)number,
                          .l_len = 1 };

    return fcntl(atomic_load(&s->marks.fd), F_OFD_SETLK, &lock) == 0;
}

static bool is_held_by_another(void)
{
    return errno == EAGAIN || errno == EACCES || errno == EINTR;
}

/* Nobody wakes us: one who gives back a byte does not know who waits in which process. */
static keel_status lock_byte(keel_file_store *s, uint32_t number, const keel_bag_op *op,
                             keel_detail *why)
{
    static const _Atomic uint32_t nothing;
    uint64_t pause_ns = LEAST_PAUSE_NS;
    keel_status status;

    while (!set_byte(s, number, F_WRLCK)) {
        if (!is_held_by_another())
            return keel_file_fail(s, why, KEEL_APPLIED_NO, "it cannot be locked");
        status = wait_a_while(s, &nothing, 0, pause_ns, op, why);
        if (status != KEEL_OK)
            return status;
        pause_ns = keel_ns_min(2 * pause_ns, MOST_PAUSE_NS);
    }
    return KEEL_OK;
}

/* ---- both ---------------------------------------------------------------------------- */

keel_status keel_file_lock(keel_file_store *s, uint32_t number, const keel_bag_op *op,
                           keel_detail *why)
{
    keel_status status = lock_word(s, &s->words[number], op, why);

    if (status != KEEL_OK)
        return status;
    status = lock_byte(s, number, op, why);
    if (status != KEEL_OK)
        unlock_word(s, &s->words[number]);
    return status;
}

bool keel_file_try_lock(keel_file_store *s, uint32_t number)
{
    if (!try_word(&s->words[number]))
        return false;
    if (set_byte(s, number, F_WRLCK))
        return true;
    unlock_word(s, &s->words[number]);
    return false;
}

void keel_file_unlock(keel_file_store *s, uint32_t number)
{
    set_byte(s, number, F_UNLCK);
    unlock_word(s, &s->words[number]);
}
