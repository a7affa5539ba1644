/* SPDX-License-Identifier: MIT */
/* Owner slots, and who still lives. */
#include "board/owners.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/seed.h"

enum { START_BITS = 42, STAT_STATE = 3, STAT_THREADS = 20, STAT_START = 22 };

#define START_MASK (((uint64_t)1 << START_BITS) - 1)
#define ID_MASK (((uint64_t)1 << 56) - 1)

/* The n-th field of a line of /proc/PID/stat, behind the name, which may hold anything;
 * NULL: none. */
static const char *field_of(const char *line, int n)
{
    const char *at = strrchr(line, ')');

    for (int i = STAT_STATE - 1; at && i < n; i++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    return at;
}

/* Reads what the kernel says of a process. False: it says nothing. */
static bool read_stat(uint64_t pid, char *line, size_t size)
{
    char path[40];
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%llu/stat", (unsigned long long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    n = read(fd, line, size - 1);
    close(fd);
    line[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static uint64_t start_of(const char *line)
{
    const char *start = field_of(line, STAT_START);

    return start ? strtoull(start, NULL, 10) & START_MASK : 0;
}

/* A zombie. A process whose main thread has ended before the others looks like one too,
 * but for their number. */
static bool is_a_corpse(const char *line)
{
    const char *state = field_of(line, STAT_STATE);
    const char *threads = field_of(line, STAT_THREADS);

    return state && (*state == 'Z' || *state == 'X') &&
           (!threads || strtoull(threads, NULL, 10) <= 1);
}

static uint64_t process_word(uint64_t pid)
{
    char line[1024];

    return pid << START_BITS | (read_stat(pid, line, sizeof line) ? start_of(line) : 0);
}

/* Without /proc a number that is in use again looks alive, until its slot's lock does
 * not. */
static bool is_running(uint64_t process)
{
    uint64_t pid = process >> START_BITS, start = process & START_MASK;
    char line[1024];

    if (read_stat(pid, line, sizeof line))
        return !is_a_corpse(line) && (!start || start_of(line) == start);
    return kill((pid_t)pid, 0) == 0 || errno == EPERM;
}

bool keel_owner_read(const keel_board_file *file, uint32_t slot, uint32_t *pid,
                     uint64_t *start_ticks)
{
    uint64_t process =
        atomic_load_explicit(&file->layout->owners[slot].process, memory_order_acquire);

    *pid = (uint32_t)(process >> START_BITS);
    *start_ticks = process & START_MASK;
    return process != 0;
}

bool keel_owner_slot_is_dead(keel_board_file *file, uint32_t slot, uint64_t self)
{
    uint64_t process =
        atomic_load_explicit(&file->layout->owners[slot].process, memory_order_acquire);
    int saved = errno;
    bool is_dead;

    if (!process || (self && slot == keel_owner_slot(self)))
        return false;
    is_dead = !is_running(process) || !keel_board_file_is_held(file, slot + 1);
    errno = saved;
    return is_dead;
}

void keel_owner_free_locked(keel_board_file *file, uint32_t slot)
{
    keel_board_layout *layout = file->layout;
    uint32_t count = atomic_load(&layout->head.block_count);
    uint64_t bit = (uint64_t)1 << slot % 64;

    for (uint32_t i = 0; i < count && i < KEEL_BOARD_BLOCKS; i++)
        layout->directory[i].users[slot / 64] &= ~bit;
    atomic_store_explicit(&layout->owners[slot].process, 0, memory_order_release);
}

static uint64_t take_slot(keel_board_file *file, uint32_t slot)
{
    keel_board_owner *owner = &file->layout->owners[slot];
    uint64_t id = keel_seed() & ID_MASK;

    id += !id;
    if (!keel_board_file_try_lock(file, slot + 1))
        return 0; /* a child of the last owner's still has its file open */
    /* first, so that one who is killed here is among those who are looked for */
    if (slot >= atomic_load(&file->layout->head.owner_count))
        atomic_store(&file->layout->head.owner_count, slot + 1);
    atomic_store_explicit(&owner->id, id, memory_order_relaxed);
    atomic_store_explicit(&owner->process, process_word((uint64_t)getpid()),
                          memory_order_release);
    return keel_owner_word(slot, id);
}

uint64_t keel_owner_take_locked(keel_board_file *file)
{
    uint64_t word = 0;

    for (uint32_t slot = 0; !word && slot < KEEL_BOARD_OWNERS; slot++)
        if (!atomic_load(&file->layout->owners[slot].process))
            word = take_slot(file, slot);
    return word;
}

void keel_owner_leave_locked(keel_board_file *file, uint64_t self)
{
    keel_owner_free_locked(file, keel_owner_slot(self));
    keel_board_file_unlock(file, keel_owner_slot(self) + 1);
}
