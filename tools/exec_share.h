/* SPDX-License-Identifier: MIT */
/*
 * Waiting for what a fleet knows: a process that is gone in a moment would else decide
 * before it has heard of anything.
 */
#ifndef KEEL_TOOLS_EXEC_SHARE_H
#define KEEL_TOOLS_EXEC_SHARE_H

#include <keel/pipeline.h>

#include "exec_child.h"

/*
 * Waits until the fleet's view of a pipeline is here and in force, or longest_ns are over;
 * not at all where no fleet shares it. False: a signal has asked us to end.
 */
bool keel_exec_await_share(keel_pipeline *pipeline, keel_child *command,
                           uint64_t longest_ns);

#endif
