/* SPDX-License-Identifier: MIT */
/* A table by descriptor, and a list of those with news. */
#include "http/client/sockets.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum { FIRST_ROOM = 64 };

static bool reserve(keel_sockets *s, int fd)
{
    int room = s->room ? s->room : FIRST_ROOM;
    keel_watched *larger;

    if (fd < s->room)
        return true;
    while (room <= fd)
        room *= 2;
    larger = keel_memory_resize(s->memory, s->at, (size_t)s->room * sizeof *larger,
                                (size_t)room * sizeof *larger);
    if (!larger)
        return false;
    s->at = larger;
    s->room = room;
    return true;
}

static void tell(keel_sockets *s, int fd)
{
    keel_watched *w = &s->at[fd];

    if (w->wanted == w->told)
        return;
    w->told = w->wanted;
    s->loop.watch(fd, w->wanted & KEEL_SOCKET_IN, w->wanted & KEEL_SOCKET_OUT, &w->slot,
                  s->loop.ctx);
    if (!w->wanted)
        w->slot = NULL;
}

/* 0: no socket is there. */
static uint64_t inode_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) ? st.st_ino : 0;
}

bool keel_sockets_opened(keel_sockets *s, int fd)
{
    if (!reserve(s, fd))
        return false;
    s->at[fd].inode = inode_of(fd);
    s->at[fd].is_kept = true;
    return true;
}

void keel_sockets_closing(keel_sockets *s, int fd)
{
    if (fd >= s->room)
        return;
    s->at[fd].wanted = 0;
    tell(s, fd);
    s->at[fd].is_kept = false;
}

bool keel_sockets_want(keel_sockets *s, int fd, unsigned wanted)
{
    keel_watched *w;

    if (!reserve(s, fd))
        return false;
    w = &s->at[fd];
    w->wanted = (uint8_t)wanted;
    if (!w->is_kept) {
        tell(s, fd);
    } else if (!w->is_listed) {
        w->is_listed = true;
        w->next = s->first;
        s->first = fd + 1;
    }
    return true;
}

bool keel_sockets_are_ready(const keel_sockets *s, int fd, bool *can_read,
                            bool *can_write)
{
    unsigned wanted = fd < s->room ? s->at[fd].wanted : 0;
    struct pollfd at = { .fd = fd };

    if (wanted & KEEL_SOCKET_IN)
        at.events |= POLLIN;
    if (wanted & KEEL_SOCKET_OUT)
        at.events |= POLLOUT;
    if (!wanted || poll(&at, 1, 0) <= 0)
        return false;
    *can_read = at.revents & ~POLLOUT; /* an error is for both to see */
    *can_write = at.revents & ~POLLIN;
    return true;
}

void keel_sockets_tell(keel_sockets *s)
{
    while (s->first) {
        int fd = s->first - 1;

        s->first = s->at[fd].next;
        s->at[fd].is_listed = false;
        tell(s, fd);
    }
}

void keel_sockets_abandon(keel_sockets *s)
{
    for (int fd = 0; fd < s->room; fd++)
        if (s->at[fd].is_kept && s->at[fd].inode && s->at[fd].inode == inode_of(fd))
            close(fd);
}

void keel_sockets_cleanup(keel_sockets *s)
{
    keel_memory_free(s->memory, s->at);
    s->at = NULL;
    s->room = s->first = 0;
}
