/* SPDX-License-Identifier: MIT */
/*
 * Three lanes over one axis of time: what callers got without keel, what they got with
 * keel (its breaker below), and how many callers were stuck in either service.
 */
#include "picture.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    WIDTH = 1080,
    HEIGHT = 672,
    LEFT = 156,
    RIGHT = 1052,
    BANDS_TOP = 84,
    LANES_TOP = 116,
    LANE = 120,
    PLAIN_TOP = LANES_TOP,
    KEEL_TOP = PLAIN_TOP + LANE + 24,
    BREAKER_TOP = KEEL_TOP + LANE + 6,
    BREAKER = 16,
    STUCK_TOP = BREAKER_TOP + BREAKER + 28,
    LANES_BOTTOM = STUCK_TOP + LANE,
    LEGEND_TOP = LANES_BOTTOM + 48
};

#define INK "#22303c"
#define FAINT "#6b7885"
#define ANSWERED "#5aa68c"
#define FAILED "#cf4b3f"
#define REFUSED "#edb95e"
#define PROBING "#7fa6d6"
#define WITH_KEEL "#2a5d9f"

typedef struct canvas {
    FILE *file;
    const story *story;
    unsigned most; /* the highest bar of both services */
} canvas;

/* ---- scales and shapes ----------------------------------------------------------- */

static double x_of(const canvas *c, double second)
{
    return LEFT + (RIGHT - LEFT) * second / c->story->schedule->seconds;
}

static double x_of_ns(const canvas *c, uint64_t at_ns)
{
    double x = x_of(c, (double)(at_ns - c->story->begun_ns) / 1e9);

    return x > RIGHT ? RIGHT : x;
}

static unsigned ended(const tally *t)
{
    return t->answered + t->failed + t->refused;
}

/* At least one, to divide by; a multiple of ten, to read. */
static unsigned most_in_a_second(const story *s)
{
    unsigned most = 1;

    for (int service = 0; service < SERVICES; service++)
        for (unsigned i = 0; i < s->seconds; i++)
            if (ended(&s->felt[service][i]) > most)
                most = ended(&s->felt[service][i]);
    return (most + 9) / 10 * 10;
}

static void rect(const canvas *c, double x, double y, double width, double height,
                 const char *fill)
{
    fprintf(
        c->file,
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", x,
        y, width, height, fill);
}

static void line(const canvas *c, double x1, double y1, double x2, double y2,
                 const char *style)
{
    fprintf(c->file, "<path d=\"M%.1f %.1fL%.1f %.1f\" %s/>\n", x1, y1, x2, y2, style);
}

/* anchor: start, middle or end. The words hold no character that XML would mind. */
static void words(const canvas *c, double x, double y, const char *anchor,
                  const char *style, const char *text)
{
    fprintf(c->file,
            "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" class=\"%s\">%s"
            "</text>\n",
            x, y, anchor, style, text);
}

static void number(const canvas *c, double x, double y, const char *anchor,
                   unsigned value)
{
    char text[16];

    snprintf(text, sizeof text, "%u", value);
    words(c, x, y, anchor, "faint", text);
}

/* ---- what lies behind the lanes -------------------------------------------------- */

static void draw_bands(const canvas *c)
{
    static const char *const fills[] = { [MOOD_WELL] = "#f1f5f3",
                                         [MOOD_DEAD] = "#f3dcd8",
                                         [MOOD_SLOW] = "#f8ebd3",
                                         [MOOD_FLAKY] = "#f6e2d9" };

    for (int i = 0; i < PHASES; i++) {
        const phase *p = &c->story->schedule->phases[i];
        double x = x_of(c, p->begins), end = x_of(c, p->begins + p->seconds);

        if (!p->seconds)
            continue;
        rect(c, x + 1, BANDS_TOP, end - x - 2, LANES_BOTTOM - BANDS_TOP,
             fills[p->mood]);
        words(c, (x + end) / 2, BANDS_TOP + 20, "middle", "band", p->name);
    }
}

static void draw_seconds(const canvas *c)
{
    unsigned seconds = c->story->schedule->seconds;
    unsigned step = seconds > 30 ? 10 : seconds > 10 ? 5 : 1;

    for (unsigned i = 0; i <= seconds; i += step) {
        line(c, x_of(c, i), LANES_BOTTOM, x_of(c, i), LANES_BOTTOM + 5,
             "class=\"axis\"");
        number(c, x_of(c, i), LANES_BOTTOM + 20, "middle", i);
    }
    words(c, LEFT - 12, LANES_BOTTOM + 20, "end", "faint", "seconds");
}

static void draw_lane_axis(const canvas *c, double top, unsigned most, const char *name,
                           const char *unit)
{
    words(c, 24, top + 18, "start", "lane", name);
    words(c, 24, top + 36, "start", "faint", unit);
    number(c, LEFT - 8, top + 9, "end", most);
    number(c, LEFT - 8, top + LANE, "end", 0);
    line(c, LEFT, top + LANE, RIGHT, top + LANE, "class=\"axis\"");
    line(c, LEFT, top, RIGHT, top, "class=\"grid\"");
    line(c, LEFT, top + LANE / 2.0, RIGHT, top + LANE / 2.0, "class=\"grid\"");
}

/* ---- the lanes ------------------------------------------------------------------- */

/* One part of a second's bar, on top of what is there. */
static double stack(const canvas *c, unsigned second, double base, unsigned count,
                    const char *fill)
{
    double width = x_of(c, 1) - x_of(c, 0);
    double gap = width > 5 ? 1.5 : 0.5;
    double height = (double)LANE * count / c->most;

    if (count)
        rect(c, x_of(c, second) + gap / 2, base - height, width - gap, height, fill);
    return base - height;
}

static void draw_outcomes(const canvas *c, int service, double top)
{
    for (unsigned i = 0; i < c->story->seconds; i++) {
        const tally *t = &c->story->felt[service][i];
        double base = top + LANE;

        base = stack(c, i, base, t->answered, ANSWERED);
        base = stack(c, i, base, t->failed, FAILED);
        stack(c, i, base, t->refused, REFUSED);
    }
}

static void draw_state(const canvas *c, keel_breaker_state state, double from,
                       double to)
{
    static const char *const fills[] = { [KEEL_BREAKER_CLOSED] = "#cfe3da",
                                         [KEEL_BREAKER_OPEN] = REFUSED,
                                         [KEEL_BREAKER_HALF_OPEN] = PROBING };
    static const char *const names[] = { [KEEL_BREAKER_CLOSED] = "closed",
                                         [KEEL_BREAKER_OPEN] = "open",
                                         [KEEL_BREAKER_HALF_OPEN] = "probing" };

    if (to - from < 2) /* a probe that is answered at once is still seen */
        to = from + 2;
    rect(c, from, BREAKER_TOP, to - from, BREAKER, fills[state]);
    if (to - from > 48)
        words(c, (from + to) / 2, BREAKER_TOP + 12, "middle", "state", names[state]);
}

static void draw_breaker(const canvas *c)
{
    const story *s = c->story;
    keel_breaker_state state = KEEL_BREAKER_CLOSED;
    double from = LEFT;

    words(c, LEFT - 8, BREAKER_TOP + 12, "end", "faint", "breaker");
    for (unsigned i = 0; i < s->transition_count; i++) {
        double to = x_of_ns(c, s->transitions[i].at_ns);

        draw_state(c, state, from, to);
        state = s->transitions[i].to;
        from = to;
    }
    draw_state(c, state, from, RIGHT);
}

static double stuck_y(const canvas *c, double stuck)
{
    return STUCK_TOP + LANE * (1 - stuck / c->story->callers);
}

static void draw_stuck(const canvas *c, int service, const char *style)
{
    const story *s = c->story;

    fprintf(c->file, "<path %s d=\"M%d %d", style, LEFT, LANES_BOTTOM);
    for (unsigned i = 0; i < s->seconds; i++) {
        double y = stuck_y(c, s->felt[service][i].stuck);

        fprintf(c->file, "L%.1f %.1fL%.1f %.1f", x_of(c, i), y, x_of(c, i + 1), y);
    }
    fprintf(c->file, "L%.1f %d\"/>\n", x_of(c, s->seconds), LANES_BOTTOM);
}

static void draw_lanes(const canvas *c)
{
    draw_lane_axis(c, PLAIN_TOP, c->most, "without keel", "requests/s");
    draw_outcomes(c, PLAIN, PLAIN_TOP);
    draw_lane_axis(c, KEEL_TOP, c->most, "with keel", "requests/s");
    draw_outcomes(c, KEEL, KEEL_TOP);
    draw_breaker(c);
    draw_lane_axis(c, STUCK_TOP, c->story->callers, "stuck", "callers &gt; 0.25 s");
    draw_stuck(c, PLAIN,
               "fill=\"" FAILED "\" fill-opacity=\".22\" stroke=\"" FAILED
               "\" stroke-width=\"1.5\"");
    draw_stuck(c, KEEL,
               "fill=\"" WITH_KEEL "\" fill-opacity=\".25\" stroke=\"" WITH_KEEL
               "\" stroke-width=\"2\"");
}

/* ---- words ----------------------------------------------------------------------- */

static double legend_entry(const canvas *c, double x, const char *fill, double width,
                           const char *text)
{
    rect(c, x, LEGEND_TOP, 12, 12, fill);
    words(c, x + 18, LEGEND_TOP + 11, "start", "legend", text);
    return x + width;
}

static void draw_legend(const canvas *c)
{
    double x = LEFT;

    x = legend_entry(c, x, ANSWERED, 102, "answered");
    x = legend_entry(c, x, FAILED, 78, "failed");
    x = legend_entry(c, x, REFUSED, 232, "refused by keel, nothing sent");
    x = legend_entry(c, x, PROBING, 140, "breaker probing");
    x = legend_entry(c, x, "#efb8b2", 154, "stuck, without keel");
    legend_entry(c, x, WITH_KEEL, 0, "stuck, with keel");
}

static void draw_heading(const canvas *c)
{
    char text[200];

    words(c, 24, 36, "start", "title", "The same service, the same outage");
    snprintf(
        text, sizeof text,
        "%u callers, each about one request a second, to one nginx on this machine: "
        "libcurl, and libcurl under keel with %s settings.",
        c->story->callers, c->story->is_default ? "its default" : "changed");
    words(c, 24, 60, "start", "legend", text);
}

static void draw_totals(const canvas *c)
{
    tally plain = story_sum(c->story, PLAIN, 0, c->story->seconds);
    tally keel = story_sum(c->story, KEEL, 0, c->story->seconds);
    char text[200];

    snprintf(text, sizeof text,
             "Callers lost %.0f s waiting for requests that got no answer; with keel "
             "%.0f s. Answered: %u; with keel %u.",
             (double)plain.lost_ns / 1e9, (double)keel.lost_ns / 1e9, plain.answered,
             keel.answered);
    words(c, LEFT, LEGEND_TOP + 44, "start", "total", text);
}

static void draw(const canvas *c)
{
    fprintf(
        c->file,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
        "width=\"%d\" height=\"%d\" role=\"img\">\n"
        "<title>What callers felt during an outage, without keel and with it</title>\n"
        "<style>text{font-family:system-ui,'Helvetica Neue','DejaVu Sans',sans-serif;"
        "font-size:13px;fill:" INK "}.title{font-size:22px;font-weight:600}"
        ".lane{font-size:14px;font-weight:600}.band{font-weight:600}"
        ".faint{fill:" FAINT ";font-size:12px}.state{font-size:11px}"
        ".total{font-size:14px;font-weight:600}"
        ".axis{stroke:" FAINT ";fill:none}"
        ".grid{stroke:" FAINT ";stroke-opacity:.25;fill:none}</style>\n",
        WIDTH, HEIGHT, WIDTH, HEIGHT);
    rect(c, 0, 0, WIDTH, HEIGHT, "#ffffff");
    draw_heading(c);
    draw_bands(c);
    draw_lanes(c);
    draw_seconds(c);
    draw_legend(c);
    draw_totals(c);
    fprintf(c->file, "</svg>\n");
}

bool picture_is_possible(const char *path)
{
    char *copy;
    bool is_possible;

    if (access(path, W_OK) == 0)
        return true;
    copy = errno == ENOENT ? strdup(path) : NULL;
    is_possible = copy && access(dirname(copy), W_OK) == 0;
    free(copy);
    return is_possible;
}

bool picture_write(const char *path, const story *s)
{
    canvas c = { .file = fopen(path, "we"), .story = s, .most = most_in_a_second(s) };
    bool written;

    if (!c.file)
        return false;
    draw(&c);
    written = !ferror(c.file);
    return fclose(c.file) == 0 && written;
}
