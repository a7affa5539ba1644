/* SPDX-License-Identifier: MIT */
/* Lines for the eye; the numbers themselves are in story.h. */
#include "timeline.h"

#include "paper.h"

static paper to;
static unsigned transitions_told;

static void put_stuck(double stuck)
{
    unsigned rounded = (unsigned)(stuck + 0.5);

    paper_count(&to, 6, rounded, INK_BAD);
}

static void put_breaker(keel_breaker_state state)
{
    static const ink inks[] = { [KEEL_BREAKER_CLOSED] = INK_PLAIN,
                                [KEEL_BREAKER_OPEN] = INK_WARN,
                                [KEEL_BREAKER_HALF_OPEN] = INK_GOOD };
    static const char *const names[] = { [KEEL_BREAKER_CLOSED] = "closed",
                                         [KEEL_BREAKER_OPEN] = "open",
                                         [KEEL_BREAKER_HALF_OPEN] = "half-open" };

    paper_ink(&to, inks[state]);
    fprintf(to.file, " %s", names[state]);
    paper_end_ink(&to);
}

void timeline_begin(FILE *out, const story *s)
{
    paper_init(&to, out);
    fprintf(
        to.file,
        "Each line is a second: how many of the requests that ended in it were\n"
        "answered (ok), failed, or refused by keel with nothing sent; the\n"
        "median wait of all of them; and how many of the %u callers were stuck, that\n"
        "is, had been waiting for more than 0.25 s. sent counts retries too.\n\n",
        s->callers);
    paper_ink(&to, INK_BOLD);
    fprintf(to.file, "  s |      without keel     |                    with keel\n");
    fprintf(to.file, "    |  ok fail   wait stuck |"
                     "  ok fail refused retry sent   wait stuck breaker\n");
    paper_end_ink(&to);
}

void timeline_phase(const story *s, int at)
{
    paper_ink(&to, INK_BOLD);
    fprintf(to.file, "----+- %s\n", s->schedule->phases[at].story);
    paper_end_ink(&to);
}

static void put_transitions(const story *s)
{
    for (; transitions_told < s->transition_count; transitions_told++) {
        const transition *t = &s->transitions[transitions_told];

        paper_ink(&to, INK_DIM);
        fprintf(to.file, "    |                       |  %.1f s: %s -> %s, %s\n",
                (double)(t->at_ns - s->begun_ns) / 1e9,
                keel_breaker_state_name(t->from), keel_breaker_state_name(t->to),
                story_cause(t->cause));
        paper_end_ink(&to);
    }
}

void timeline_second(const story *s)
{
    unsigned i = s->seconds - 1;
    const tally *plain = &s->felt[PLAIN][i], *keel = &s->felt[KEEL][i];

    put_transitions(s);
    fprintf(to.file, "%3u |", s->seconds);
    paper_count(&to, 4, plain->answered, INK_GOOD);
    paper_count(&to, 5, plain->failed, INK_BAD);
    paper_wait(&to, plain->median_ns);
    put_stuck(plain->stuck);
    fprintf(to.file, " |");
    paper_count(&to, 4, keel->answered, INK_GOOD);
    paper_count(&to, 5, keel->failed, INK_BAD);
    paper_count(&to, 8, keel->refused, INK_WARN);
    paper_count(&to, 6, keel->retries, INK_PLAIN);
    paper_count(&to, 5, keel->attempts, INK_PLAIN);
    paper_wait(&to, keel->median_ns);
    put_stuck(keel->stuck);
    put_breaker(s->breaker[i]);
    fputc('\n', to.file);
    fflush(to.file);
}
