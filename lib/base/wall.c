/* SPDX-License-Identifier: MIT */
/* Wall time: it may step, so nothing of keel's own hangs on it. */
#include "base/wall.h"

#include <time.h>

int64_t keel_wall_seconds(void)
{
    return (int64_t)time(NULL);
}
