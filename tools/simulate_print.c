/* SPDX-License-Identifier: MIT */
/* The lines of keel-simulate(1): their keys, their order, and when they are null. */
#include <inttypes.h>

#include "call/pipeline.h"
#include "simulate_run.h"

/* Every key but the first has a comma before it. */
static void print_count(FILE *out, const char *key, uint64_t value)
{
    fprintf(out, ",\"%s\":%" PRIu64, key, value);
}

static void print_known(FILE *out, const char *key, bool is_known, uint64_t value)
{
    if (is_known)
        print_count(out, key, value);
    else
        fprintf(out, ",\"%s\":null", key);
}

/* Only words of keel's own, which need no escape. */
static void print_word(FILE *out, const char *key, bool is_known, const char *word)
{
    if (is_known)
        fprintf(out, ",\"%s\":\"%s\"", key, word);
    else
        fprintf(out, ",\"%s\":null", key);
}

/* In parts per million, as a whole number reads the same everywhere. */
static void print_chance(FILE *out, bool is_known, double chance)
{
    print_known(out, "throttle_ppm", is_known, (uint64_t)(chance * KEEL_PPM + 0.5));
}

static void print_bool(FILE *out, const char *key, bool is_known, bool is_so)
{
    if (is_known)
        fprintf(out, ",\"%s\":%s", key, is_so ? "true" : "false");
    else
        fprintf(out, ",\"%s\":null", key);
}

static void print_waits(FILE *out, const keel_sim *sim, bool is_on)
{
    if (!is_on) {
        fputs(",\"waits_ns\":null", out);
        return;
    }
    fputs(",\"waits_ns\":[", out);
    for (size_t i = 0; i < sim->wait_count; i++)
        fprintf(out, "%s%" PRIu64, i ? "," : "", sim->waits[i]);
    putc(']', out);
}

static void print_tally(FILE *out, const keel_sim *sim, const keel_policy *policy)
{
    const keel_sim_tally *t = &sim->tally;

    print_count(out, "ok", t->ok);
    print_count(out, "failed", t->failed);
    print_count(out, "ignored", t->ignored);
    print_count(out, "rejected", t->rejected);
    print_word(out, "reason", t->reason != KEEL_REASON_NONE,
               keel_reason_name(t->reason));
    print_count(out, "attempts", t->attempts);
    print_waits(out, sim, policy->retry);
    print_known(out, "hedges", policy->hedge, t->hedges);
}

static void print_breaker(FILE *out, const keel_pipeline_stats *s)
{
    bool on = s->breaker_on;

    print_word(out, "state", on, keel_breaker_state_name(s->state));
    print_word(out, "lock", s->lock != KEEL_LOCK_NONE, keel_lock_name(s->lock));
    print_known(out, "generation", on, s->generation);
    print_known(out, "calls", on, s->calls);
    print_known(out, "failures", on, s->failures);
    print_known(out, "slow", on, s->slow);
}

/* Not from the look, which cuts it to the limit; after a reload there may be more. */
static void print_in_flight(FILE *out, const keel_plan *plan)
{
    bool on = plan->has_places;

    print_known(out, "in_flight", on,
                on ? atomic_load(&plan->bulkhead.words->in_use) : 0);
}

/* Their names need no escape either: endpoint_list.c has none that does. */
static void print_endpoint(FILE *out, const keel_sim *sim, const keel_plan *plan,
                           uint32_t index)
{
    keel_endpoint_view v;

    keel_endpoints_view(plan->endpoints, &plan->policy, index, sim->world.now, &v);
    fprintf(out, "%s{\"name\":\"%s\"", index ? "," : "",
            plan->endpoints->entries[index].name);
    print_count(out, "attempts", sim->tally.attempts_at[index]);
    print_word(out, "state", v.has_breaker, keel_breaker_state_name(v.breaker.state));
    print_bool(out, "ejected", true, v.ejected_left_ns != 0);
    print_count(out, "ejections", v.ejections);
    print_bool(out, "healthy", true, !v.is_ill);
    print_count(out, "in_flight", v.in_flight);
    fprintf(out, ",\"weight\":%.4g}", v.weight);
}

static void print_endpoints(FILE *out, const keel_sim *sim, const keel_plan *plan)
{
    const keel_endpoints *set = plan->endpoints;

    fputs(set ? ",\"endpoints\":[" : ",\"endpoints\":null", out);
    for (uint32_t i = 0; set && i < set->count; i++)
        print_endpoint(out, sim, plan, i);
    if (set)
        putc(']', out);
    print_bool(out, "panic", set, set && keel_endpoints_are_in_panic(set));
    print_word(out, "endpoint", *sim->tally.endpoint != '\0', sim->tally.endpoint);
}

void keel_sim_print_step(const keel_sim *sim, const keel_sim_step *step, FILE *out)
{
    const keel_plan *plan = atomic_load(&sim->world.pipeline->plan);
    keel_pipeline_stats s = { .size = sizeof s };

    (void)keel_pipeline_look(sim->world.pipeline, &s); /* both are there */
    fprintf(out, "{\"step\":%zu", sim->step);
    print_count(out, "at_ns", sim->world.now);
    print_word(out, "do", true, keel_sim_verb_name(step->verb));
    print_tally(out, sim, &plan->policy);
    print_breaker(out, &s);
    print_count(out, "ignored_total", s.ignored_total);
    print_count(out, "late_results", s.late_results);
    print_in_flight(out, plan);
    print_known(out, "permits", s.breaker_on && s.state == KEEL_BREAKER_HALF_OPEN,
                s.permits);
    print_known(out, "retry_after_ns", sim->tally.retry_after_ns != 0,
                sim->tally.retry_after_ns);
    print_known(out, "limit", s.adaptive_limit != 0, s.adaptive_limit);
    print_chance(out, plan->policy.throttle, s.throttle_chance);
    print_endpoints(out, sim, plan);
    fputs("}\n", out);
}

static void print_transition(FILE *out, const keel_sim_event *e)
{
    fprintf(out,
            "{\"at_ns\":%" PRIu64 ",\"from\":\"%s\",\"to\":\"%s\",\"cause\":"
            "\"%s\"}",
            e->at_ns, keel_breaker_state_name(e->from), keel_breaker_state_name(e->to),
            keel_cause_name(e->cause));
}

static void print_endpoint_event(FILE *out, const keel_sim_event *e)
{
    bool is_of_all = e->type == KEEL_EVENT_PANIC || e->type == KEEL_EVENT_CALM;
    bool is_move = e->type == KEEL_EVENT_ENDPOINT_TRANSITION;
    bool is_ejection = e->type == KEEL_EVENT_EJECTED;

    fprintf(out, "{\"at_ns\":%" PRIu64, e->at_ns);
    print_word(out, "endpoint", !is_of_all, e->endpoint);
    print_word(out, "event", true, keel_event_type_name(e->type));
    print_word(out, "from", is_move, keel_breaker_state_name(e->from));
    print_word(out, "to", is_move, keel_breaker_state_name(e->to));
    print_word(out, "cause", is_move || is_ejection, keel_cause_name(e->cause));
    print_known(out, "for_ns", is_ejection, e->duration_ns);
    putc('}', out);
}

/* Those of the breaker, or those of endpoints, oldest first. */
static void print_events(FILE *out, const keel_sim_world *world, bool of_endpoints)
{
    const char *comma = "";

    for (size_t i = 0; i < world->event_count; i++) {
        const keel_sim_event *e = &world->events[i];

        if ((e->type != KEEL_EVENT_TRANSITION) != of_endpoints)
            continue;
        fputs(comma, out);
        comma = ",";
        if (of_endpoints)
            print_endpoint_event(out, e);
        else
            print_transition(out, e);
    }
}

void keel_sim_print_end(const keel_sim *sim, FILE *out)
{
    fputs("{\"end\":true,\"transitions\":[", out);
    print_events(out, &sim->world, false);
    putc(']', out);
    if (sim->had_endpoints) {
        fputs(",\"endpoint_events\":[", out);
        print_events(out, &sim->world, true);
        putc(']', out);
    }
    fputs("}\n", out);
}
