/* SPDX-License-Identifier: MIT */
/*
 * A descriptor of keel's own, and what was opened there. The application may close any
 * number that it does not know, above all in a forked child (closefrom(3)), and open
 * something else: that is not keel's to close. Not for what is read and written there.
 */
#ifndef KEEL_NET_DESCRIPTOR_H
#define KEEL_NET_DESCRIPTOR_H

#include <stdatomic.h>
#include <stdint.h>

typedef struct keel_descriptor {
    _Atomic int fd; /* -1: none; atomic for a forked child that closes it */
    uint64_t device, inode;
    uint64_t eventfd; /* which, as all have one inode; 0: none, or it is not known */
} keel_descriptor;

#define KEEL_DESCRIPTOR_NONE                                                           \
    {                                                                                  \
        .fd = -1                                                                       \
    }

/*
 * From now on it is what was just opened at fd, -1: none, which may move it (high_fd.h)
 * and find no number for it: then it is none, too. It was none before.
 */
void keel_descriptor_set(keel_descriptor *d, int fd);

/*
 * Closes it, unless something else is there by now; none is fine. Also what a forked child
 * does with its parent's.
 */
void keel_descriptor_close(keel_descriptor *d);

#endif
