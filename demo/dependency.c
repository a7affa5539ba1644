/* SPDX-License-Identifier: MIT */
/* nginx, made sick by its own configuration or by a signal. */
#include "dependency.h"

#include <signal.h>
#include <unistd.h>

#include "port.h"

const char dependency_echo_module[] = "/usr/lib/nginx/modules/ngx_http_echo_module.so";

static const char *const answers[] = {
    [MOOD_WELL] = "echo_sleep 0.02; echo well;",
    [MOOD_DEAD] = "",
    [MOOD_SLOW] = "echo_sleep 2.02; echo slow;",
    [MOOD_FLAKY] = "if ($unlucky) { return 503; } echo_sleep 0.02; echo flaky;",
};

bool dependency_is_installed(void)
{
    return nginx_is_installed() && access(dependency_echo_module, R_OK) == 0;
}

bool dependency_init(dependency *d)
{
    *d = (dependency){ .port = port_free() };
    if (!d->port)
        return false;
    snprintf(d->url, sizeof d->url, "http://127.0.0.1:%u/", d->port);
    return nginx_init(&d->nginx);
}

/* A master and its worker: nginx reads a changed configuration only so. */
static bool write_config(const dependency *d, mood wanted)
{
    char directives[256];
    FILE *config;

    snprintf(directives, sizeof directives, "load_module %s;\nworker_processes 1;\n",
             dependency_echo_module);
    config = nginx_config_begin(&d->nginx, directives);
    if (!config)
        return false;
    fprintf(config,
            "split_clients $request_id $unlucky { 30%% 1; * 0; }\n"
            "server {\n"
            "    listen 127.0.0.1:%u;\n"
            "    location / { %s }\n"
            "}\n",
            d->port, answers[wanted]);
    return nginx_config_end(config);
}

bool dependency_become(dependency *d, mood wanted)
{
    if (wanted == MOOD_DEAD) {
        nginx_stop(&d->nginx);
        return true;
    }
    if (!write_config(d, wanted)) {
        perror("nginx.conf");
        return false;
    }
    if (d->nginx.process.pid)
        return kill(d->nginx.process.pid, SIGHUP) == 0;
    if (nginx_start(&d->nginx, SIGTERM))
        return true;
    nginx_print_errors(&d->nginx);
    return false;
}

void dependency_cleanup(dependency *d)
{
    nginx_cleanup(&d->nginx);
}
