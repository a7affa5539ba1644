/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a scenario of keel-simulate(1): no crash, and whatever is accepted runs
 * to its end. Repetitions are cut short, since a billion calls are a legal step.
 */
#include <stdint.h>
#include <stdlib.h>

#include "../../tools/simulate_run.h"

enum { TIMES_MOST = 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cut_short(keel_scenario *scenario)
{
    for (size_t i = 0; i < scenario->step_count; i++)
        if (scenario->steps[i].times > TIMES_MOST)
            scenario->steps[i].times = TIMES_MOST;
}

static void run(keel_scenario *scenario, keel_sim_error *error)
{
    FILE *nowhere = fopen("/dev/null", "we");

    if (!nowhere)
        return;
    cut_short(scenario);
    (void)keel_sim_run(scenario, scenario->settings, nowhere, nowhere, error);
    fclose(nowhere);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *root = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    keel_sim_error error = { .code = 0 };
    keel_scenario scenario;

    if (!root)
        return 0;
    if (keel_scenario_init(&scenario, root, &error))
        run(&scenario, &error);
    keel_scenario_cleanup(&scenario);
    return 0;
}
