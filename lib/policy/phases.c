/* SPDX-License-Identifier: MIT */
/* Whether readers have gone. Not for what they read. */
#include "policy/phases.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool barrier_everywhere(void)
{
    int saved = errno;
    long rc = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);

    if (rc && errno == EPERM) {
        rc = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
        if (!rc)
            rc = syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    }
    errno = saved;
    return rc == 0;
}

/* Ended is read before begun: somebody may go on meanwhile, but none is missed. */
bool keel_phase_is_drained(const keel_stripes *stripes, uint32_t phase)
{
    uint64_t ended = keel_stripes_sum(stripes, KEEL_STRIPE_ENDED + phase);

    return barrier_everywhere() &&
           ended == keel_stripes_sum(stripes, KEEL_STRIPE_BEGUN + phase);
}
