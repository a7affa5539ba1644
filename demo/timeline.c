/* SPDX-License-Identifier: MIT */
/* Lines for the eye; the numbers themselves are in story.h. */
#include "timeline.h"

#include <stdlib.h>
#include <unistd.h>

typedef enum ink { INK_PLAIN, INK_BOLD, INK_DIM, INK_GOOD, INK_BAD, INK_WARN } ink;

static const char *const codes[] = { "",         "\033[1m",  "\033[2m",
                                     "\033[32m", "\033[31m", "\033[33m" };

static FILE *to;
static bool is_coloured;
static unsigned transitions_told;

static void set_ink(ink colour)
{
    if (is_coloured && colour != INK_PLAIN)
        fputs(codes[colour], to);
}

static void end_ink(void)
{
    if (is_coloured)
        fputs("\033[0m", to);
}

static void put_count(int width, unsigned count, ink colour)
{
    if (count == 0) {
        fprintf(to, "%*s", width, "-");
        return;
    }
    set_ink(colour);
    fprintf(to, "%*u", width, count);
    end_ink();
}

/* Seven columns. */
static void put_wait(uint64_t ns)
{
    double ms = (double)ns / 1e6;

    if (ns == 0)
        fprintf(to, "%7s", "-");
    else if (ms < 1)
        fprintf(to, "%7s", "<1ms");
    else if (ms < 1000)
        fprintf(to, "%5.0fms", ms);
    else
        fprintf(to, "%6.1fs", ms / 1000);
}

static void put_stuck(double stuck)
{
    unsigned rounded = (unsigned)(stuck + 0.5);

    put_count(6, rounded, INK_BAD);
}

static void put_breaker(keel_breaker_state state)
{
    static const ink inks[] = { [KEEL_BREAKER_CLOSED] = INK_PLAIN,
                                [KEEL_BREAKER_OPEN] = INK_WARN,
                                [KEEL_BREAKER_HALF_OPEN] = INK_GOOD };
    static const char *const names[] = { [KEEL_BREAKER_CLOSED] = "closed",
                                         [KEEL_BREAKER_OPEN] = "open",
                                         [KEEL_BREAKER_HALF_OPEN] = "half-open" };

    set_ink(inks[state]);
    fprintf(to, " %s", names[state]);
    end_ink();
}

void timeline_begin(FILE *out, const story *s)
{
    to = out;
    is_coloured = isatty(fileno(out)) && !getenv("NO_COLOR");
    fprintf(
        to,
        "Each line is a second: how many of the requests that ended in it were\n"
        "answered (ok), failed, or refused by keel with nothing sent; the\n"
        "median wait of all of them; and how many of the %u callers were stuck, that\n"
        "is, had been waiting for more than 0.25 s. sent counts retries too.\n\n",
        s->callers);
    set_ink(INK_BOLD);
    fprintf(to, "  s |      without keel     |                    with keel\n");
    fprintf(to, "    |  ok fail   wait stuck |"
                "  ok fail refused retry sent   wait stuck breaker\n");
    end_ink();
}

void timeline_phase(const story *s, int at)
{
    set_ink(INK_BOLD);
    fprintf(to, "----+- %s\n", s->schedule->phases[at].story);
    end_ink();
}

static const char *cause_text(keel_cause cause)
{
    switch (cause) {
    case KEEL_CAUSE_FAILURE_RATE:
        return "too many failures";
    case KEEL_CAUSE_OPEN_ELAPSED:
        return "probes may pass";
    case KEEL_CAUSE_PROBES_OK:
        return "probes answered";
    case KEEL_CAUSE_PROBES_FAILED:
        return "probes failed";
    default:
        return keel_cause_name(cause);
    }
}

static void put_transitions(const story *s)
{
    for (; transitions_told < s->transition_count; transitions_told++) {
        const transition *t = &s->transitions[transitions_told];

        set_ink(INK_DIM);
        fprintf(to, "    |                       |  %.1f s: %s -> %s, %s\n",
                (double)(t->at_ns - s->begun_ns) / 1e9,
                keel_breaker_state_name(t->from), keel_breaker_state_name(t->to),
                cause_text(t->cause));
        end_ink();
    }
}

void timeline_second(const story *s)
{
    unsigned i = s->seconds - 1;
    const tally *plain = &s->felt[PLAIN][i], *keel = &s->felt[KEEL][i];

    put_transitions(s);
    fprintf(to, "%3u |", s->seconds);
    put_count(4, plain->answered, INK_GOOD);
    put_count(5, plain->failed, INK_BAD);
    put_wait(plain->median_ns);
    put_stuck(plain->stuck);
    fprintf(to, "  |");
    put_count(4, keel->answered, INK_GOOD);
    put_count(5, keel->failed, INK_BAD);
    put_count(8, keel->refused, INK_WARN);
    put_count(6, keel->retries, INK_PLAIN);
    put_count(5, keel->attempts, INK_PLAIN);
    put_wait(keel->median_ns);
    put_stuck(keel->stuck);
    put_breaker(s->breaker[i]);
    fputc('\n', to);
    fflush(to);
}
