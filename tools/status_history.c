/* SPDX-License-Identifier: MIT */
#include "status_history.h"

#include <inttypes.h>
#include <stdio.h>

#include "keel.h"
#include "operator.h"
#include "output.h"

static void print_second(const keel_second_view *second)
{
    const keel_sample *s = &second->sample;
    char instant[KEEL_OUTPUT_TEXT_SIZE], failed[48] = "-";

    if (second->has_sample)
        snprintf(failed, sizeof failed, "%" PRIu64 "/%" PRIu64, s->failures, s->calls);
    printf("%s  %-9s  %-15s  %-9" PRIu64 "  %s\n",
           keel_output_instant(instant, second->at_s * 1000, 0),
           second->is_known ? keel_breaker_state_name(s->state) : "-", failed,
           second->refused, s->lock ? keel_lock_name(s->lock) : "-");
}

static void print_text(const keel_history_view *history)
{
    printf("%-20s  %-9s  %-15s  %-9s  LOCK\n", "AT", "STATE", "FAILED", "REFUSED");
    for (size_t i = 0; i < KEEL_HISTORY_SECONDS; i++)
        print_second(&history->seconds[i]);
}

static void print_second_json(const char *before, const keel_second_view *second)
{
    const keel_sample *s = &second->sample;

    keel_print_json_number(stdout, before, "at_s", second->at_s);
    keel_print_json_number(stdout, ",", "refused", second->refused);
    printf(",\"sample\":%s", second->has_sample ? "true" : "false");
    if (second->is_known) {
        keel_print_json_text(stdout, ",", "state", keel_breaker_state_name(s->state));
        keel_print_json_text(stdout, ",", "lock", keel_lock_name(s->lock));
        keel_print_json_number(stdout, ",", "generation", s->generation);
    }
    if (second->has_sample) {
        keel_print_json_number(stdout, ",", "calls", s->calls);
        keel_print_json_number(stdout, ",", "failures", s->failures);
        keel_print_json_number(stdout, ",", "slow", s->slow);
    }
    putchar('}');
}

static void print_json(const keel_source *source, const char *name,
                       const keel_history_view *history)
{
    fputs("{\"schema\":1", stdout);
    keel_print_json_text(stdout, ",", "source", source->name);
    keel_print_json_text(stdout, ",", "name", name);
    fputs(",\"seconds\":[", stdout);
    for (size_t i = 0; i < KEEL_HISTORY_SECONDS; i++)
        print_second_json(i ? ",\n{" : "\n{", &history->seconds[i]);
    puts("]}");
}

int keel_history_show(keel_source *source, const keel_view *view, const char *name,
                      bool as_json)
{
    keel_history_view history;

    if (!keel_operator_find(view, name))
        return keel_operator_unknown("status", source, view, name);
    switch (source->history(source, name, &history)) {
    case KEEL_OK:
        if (as_json)
            print_json(source, name, &history);
        else
            print_text(&history);
        return 0;
    case KEEL_E_UNSUPPORTED:
        fprintf(stderr, "keel status: only a board keeps the last minute; name it by "
                        "--board FILE or KEEL_BOARD\n");
        return KEEL_EXIT_USAGE;
    default:
        fprintf(stderr, "keel status: %s keeps no last minute of %s\n", source->name,
                name);
        return KEEL_EXIT_UNAVAILABLE;
    }
}
