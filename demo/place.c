/* SPDX-License-Identifier: MIT */
/* nginx in one process, made sick by a signal, or by a file that it looks for. */
#include "place.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "dependency.h"
#include "port.h"

static bool write_config(const place *p)
{
    char directives[256];
    FILE *config;

    snprintf(directives, sizeof directives, "load_module %s;\nmaster_process off;\n",
             dependency_echo_module);
    config = nginx_config_begin(&p->nginx, directives);
    if (!config)
        return false;
    fprintf(config,
            "keepalive_requests 100000;\n"
            "server {\n"
            "    listen 127.0.0.1:%u;\n"
            "    if (-f %s/failing) { return 503; }\n"
            "    if (-f %s/slow) { rewrite ^ /slow; }\n"
            "    location / { echo_sleep 0.02; echo well; }\n"
            "    location = /slow { echo_sleep 2.02; echo slow; }\n"
            "}\n",
            p->port, p->nginx.process.dir, p->nginx.process.dir);
    return nginx_config_end(config);
}

static bool run(place *p)
{
    if (nginx_start(&p->nginx, SIGKILL))
        return true;
    nginx_print_errors(&p->nginx);
    return false;
}

bool place_start(place *p)
{
    *p = (place){ .port = port_free() };
    if (!p->port || !nginx_init(&p->nginx))
        return false;
    snprintf(p->url, sizeof p->url, "http://127.0.0.1:%u", p->port);
    if (write_config(p))
        return run(p);
    perror("nginx.conf");
    return false;
}

/* The file is there, or not. */
static void mark(const place *p, const char *name, bool is_wanted)
{
    char path[SPAWNED_PATH_SIZE];
    int fd;

    spawned_path(&p->nginx.process, name, path);
    if (!is_wanted) {
        unlink(path);
        return;
    }
    fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

bool place_become(place *p, mood wanted)
{
    mark(p, "slow", wanted == MOOD_SLOW);
    mark(p, "failing", wanted == MOOD_FAILING);
    if (wanted == MOOD_DEAD) {
        nginx_stop(&p->nginx);
        return true;
    }
    if (!p->nginx.process.pid)
        return run(p);
    if (wanted == MOOD_FROZEN)
        spawned_freeze(&p->nginx.process);
    else
        spawned_thaw(&p->nginx.process);
    return true;
}

void place_cleanup(place *p)
{
    nginx_cleanup(&p->nginx);
}
