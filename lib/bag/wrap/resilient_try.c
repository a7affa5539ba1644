/* SPDX-License-Identifier: MIT */
/* Attempts that failed, and how a use of a verb ends that never succeeded. */
#include "bag/wrap/resilient_try.h"

#include <stdio.h>
#include <string.h>

#include "base/detail.h"

/*
 * What a failure counts as. An item that is damaged says nothing about whether the store
 * is well, and it will be as damaged the next time. The deadline that a child has met is
 * its attempt's: whether it was the last one, the pipeline knows.
 */
static keel_status counted(keel_status status)
{
    switch (status) {
    case KEEL_DEADLINE:
        return KEEL_TIMEOUT;
    case KEEL_CORRUPT:
        return KEEL_IGNORED;
    case KEEL_PARTIAL:
        return KEEL_FAILED;
    default:
        return status;
    }
}

void keel_try_report_failure(keel_try *t, bool may_repeat)
{
    /* who has made attempts of his own has done so as often as is good */
    bool was_repeated = t->said.attempts > 0;
    keel_outcome outcome = { .size = sizeof outcome, .status = counted(t->status) };

    if (t->is_read)
        t->said.applied = KEEL_APPLIED_NO;
    if (t->said.applied == KEEL_APPLIED_UNKNOWN)
        t->is_in_doubt = true;
    outcome.applied = t->said.applied;
    outcome.retry_after_ns = t->said.retry_after_ns;
    outcome.system_errno = t->said.system_errno;
    outcome.never_sent = t->said.applied == KEEL_APPLIED_NO && !was_repeated;
    keel_machine_may_repeat(keel_machine_of(&t->call),
                            may_repeat && !was_repeated &&
                                t->said.applied != KEEL_APPLIED_YES,
                            KEEL_BAR_MAY_BE_APPLIED);
    keel_call_report_attempt(&t->call, 0, &outcome);
}

/* ---- the story of a failure ---------------------------------------------------------- */

/* What the child said of its last attempt, and why there was no further one. */
static void say_tried(const keel_try *t, keel_detail *story)
{
    const char *not_retried = strstr(story->text, "; not retried");
    char times[32] = "";

    if (story->attempts > 1)
        snprintf(times, sizeof times, " (%u attempts)", story->attempts);
    if (t->said.text[0])
        snprintf(story->storage, sizeof story->storage, "%s%s%s", t->said.text, times,
                 not_retried ? not_retried : "");
    else
        snprintf(story->storage, sizeof story->storage, "%s: %s%s", t->r->path,
                 story->text, times);
}

static void say(const keel_try *t, keel_detail *story)
{
    if (story->attempts && story->code != KEEL_CANCELLED)
        say_tried(t, story);
    else
        snprintf(story->storage, sizeof story->storage, "%s: %s", t->r->path,
                 story->text);
    story->text = story->storage;
}

static keel_applied applied(const keel_try *t, const keel_detail *story)
{
    if (t->is_in_doubt)
        return KEEL_APPLIED_UNKNOWN;
    return story->attempts ? t->said.applied : KEEL_APPLIED_NO;
}

keel_status keel_try_end_failure(keel_try *t)
{
    keel_detail story;

    story.size = sizeof story;
    keel_call_end(&t->call, &story);
    /* neutral for the pipeline, but not for whoever asked */
    if (story.attempts && story.code == KEEL_IGNORED)
        story.code = t->status;
    if (!t->why)
        return story.code;
    story.applied = applied(t, &story);
    if (t->said.retry_after_ns > story.retry_after_ns && story.attempts)
        story.retry_after_ns = t->said.retry_after_ns;
    say(t, &story);
    keel_detail_fill(t->why, &story);
    return story.code;
}
