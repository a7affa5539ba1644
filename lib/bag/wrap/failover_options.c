/* SPDX-License-Identifier: MIT */
/* The options of failover, and the words for failures in its lists. */
#include "bag/wrap/failover.h"

#include <string.h>

#include "base/detail.h"
#include "base/text.h"

enum {
    OPTION_HOLD,
    OPTION_FAILURES,
    OPTION_TRIES,
    OPTION_TIMEOUT,
    OPTION_ON_MISS,
    OPTION_KNOWS,
    OPTION_READS_ON,
    OPTION_WRITES_ON,
    OPTION_DELETES_ON,
    OPTION_REJOIN,
    OPTION_PROBE,
    OPTION_REJOIN_TIMEOUT,
    OPTION_JOURNAL,
    OPTION_DIRTY_MAX
};

#define HOUR (UINT64_C(3600) * KEEL_S)

const keel_bag_option keel_failover_options[] = {
    { .name = "hold",
      .type = KEEL_BAG_DURATION,
      .max = 24 * HOUR,
      .standard = "5s",
      .meaning = "The primary that was left is not asked for so long." },
    { .name = "failures",
      .type = KEEL_BAG_COUNT,
      .min = 1,
      .max = 1000,
      .standard = "3",
      .meaning = "So many in a row, and another child is asked first." },
    { .name = "tries",
      .type = KEEL_BAG_COUNT,
      .min = 1,
      .max = KEEL_FAILOVER_CHILDREN,
      .standard = "16",
      .meaning = "Children that one call may ask." },
    { .name = "timeout",
      .type = KEEL_BAG_DURATION,
      .min = KEEL_MS,
      .max = HOUR,
      .meaning = "That one child may take; by itself an even share of the time that is "
                 "left." },
    { .name = "on_miss",
      .type = KEEL_BAG_SWITCH,
      .standard = "off",
      .meaning = "Whether a read that finds nothing asks the next child." },
    { .name = "knows",
      .type = KEEL_BAG_WORD,
      .words = "all|given",
      .standard = "all",
      .meaning = "What a standby can tell of: all, as others feed it, or only what it "
                 "was given in an outage." },
    { .name = "reads_on",
      .type = KEEL_BAG_TEXT,
      .standard = "rejected|failed|timeout|throttled",
      .meaning = "Failures after which a read asks the next child." },
    { .name = "writes_on",
      .type = KEEL_BAG_TEXT,
      .standard = "rejected|failed|timeout|throttled|read_only",
      .meaning = "The same of a write, where that is safe." },
    { .name = "deletes_on",
      .type = KEEL_BAG_TEXT,
      .standard = "rejected|failed|timeout|throttled|read_only",
      .meaning = "The same of a delete." },
    { .name = "rejoin",
      .type = KEEL_BAG_WORD,
      .words = "replay|invalidate",
      .standard = "replay",
      .meaning =
          "What was written meanwhile is carried back to the primary, or deleted "
          "there." },
    { .name = "probe",
      .type = KEEL_BAG_DURATION,
      .min = KEEL_MS,
      .max = HOUR,
      .standard = "1s",
      .meaning = "How often a primary that is away is tried." },
    { .name = "rejoin_timeout",
      .type = KEEL_BAG_DURATION,
      .min = KEEL_MS,
      .max = HOUR,
      .standard = "2s",
      .meaning = "That such a try may take, and each item that is carried back." },
    { .name = "journal",
      .type = KEEL_BAG_TEXT,
      .meaning = "A file that keeps the keys to be carried back over a restart; by "
                 "itself they are in memory." },
    { .name = "dirty_max",
      .type = KEEL_BAG_COUNT,
      .min = 1,
      .max = 100000000,
      .standard = "100000",
      .meaning = "So many of them are kept; a write of one more does not go to a "
                 "standby." },
    { .name = NULL },
};

/* ---- lists of failures --------------------------------------------------------------- */

enum {
    ON_REJECTED = 1,
    ON_FAILED = 2,
    ON_TIMEOUT = 4,
    ON_THROTTLED = 8,
    ON_READ_ONLY = 16,
    ON_CORRUPT = 32
};

static const struct {
    const char *word;
    uint32_t set;
} failures[] = {
    { "rejected", ON_REJECTED },   { "failed", ON_FAILED },
    { "timeout", ON_TIMEOUT },     { "throttled", ON_THROTTLED },
    { "read_only", ON_READ_ONLY }, { "corrupt", ON_CORRUPT },
};

uint32_t keel_failover_failure_of(keel_status status)
{
    switch (status) {
    case KEEL_FAILED:
    case KEEL_UNKNOWN:
        return ON_FAILED;
    case KEEL_TIMEOUT:
    case KEEL_DEADLINE:
    case KEEL_REJECTED_DEADLINE: /* of its share of the time */
        return ON_TIMEOUT;
    case KEEL_THROTTLED:
        return ON_THROTTLED;
    case KEEL_READ_ONLY:
        return ON_READ_ONLY;
    case KEEL_CORRUPT:
        return ON_CORRUPT;
    default:
        return keel_status_is_rejected(status) ? ON_REJECTED : 0;
    }
}

static keel_status read_list(uint32_t *set, const char *name, const char *text,
                             keel_detail *why)
{
    keel_text rest = keel_text_of(text), one;
    char quoted[KEEL_QUOTE_SIZE];

    *set = 0;
    while (keel_text_next(&rest, "|", &one)) {
        uint32_t known = 0;

        for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
            if (keel_text_is(one, failures[i].word))
                known = failures[i].set;
        if (!known)
            return keel_failf(why, KEEL_E_CONFIG,
                              "%s is made of rejected, failed, timeout, throttled, "
                              "read_only and corrupt, cut by \"|\", not of %s",
                              name, keel_quote(quoted, one));
        *set |= known;
    }
    return KEEL_OK;
}

static keel_status read_lists(keel_failover_settings *set,
                              const keel_bag_value values[], keel_detail *why)
{
    keel_status status = KEEL_OK;

    for (int i = 0; i < KEEL_FAILOVER_KINDS && status == KEEL_OK; i++)
        status =
            read_list(&set->go_on[i], keel_failover_options[OPTION_READS_ON + i].name,
                      values[OPTION_READS_ON + i].text, why);
    return status;
}

keel_status keel_failover_options_read(keel_failover_settings *set,
                                       const keel_bag_value values[], keel_detail *why)
{
    *set = (keel_failover_settings){
        .hold_ns = values[OPTION_HOLD].number,
        .failures = values[OPTION_FAILURES].number,
        .tries = values[OPTION_TRIES].number,
        .timeout_ns = values[OPTION_TIMEOUT].number,
        .on_miss = values[OPTION_ON_MISS].number,
        .knows_given = values[OPTION_KNOWS].number == 1,
        .invalidates = values[OPTION_REJOIN].number == 1,
        .probe_ns = values[OPTION_PROBE].number,
        .rejoin_timeout_ns = values[OPTION_REJOIN_TIMEOUT].number,
        .journal = values[OPTION_JOURNAL].text,
        .dirty_max = values[OPTION_DIRTY_MAX].number,
    };
    return read_lists(set, values, why);
}
