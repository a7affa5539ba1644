/* SPDX-License-Identifier: MIT */
/* The tests' nginx: its ports, and what it serves. */
#include "support/server.h"

#include <signal.h>
#include <string.h>

#include "support/loopback.h"

enum { START_TRIES = 5 };

bool test_server_is_installed(void)
{
    return nginx_is_installed();
}

static void write_filled(FILE *to, const test_server *s, const char *text)
{
    const char *at;

    for (; (at = strchr(text, '@')) != NULL; text = at) {
        fwrite(text, 1, (size_t)(at - text), to);
        if (strncmp(at, "@PORT@", 6) == 0) {
            fprintf(to, "%u", s->port);
            at += 6;
        } else if (strncmp(at, "@TLS_PORT@", 10) == 0) {
            fprintf(to, "%u", s->tls_port);
            at += 10;
        } else if (strncmp(at, "@DIR@", 5) == 0) {
            fputs(s->nginx.process.dir, to);
            at += 5;
        } else {
            fputc(*at++, to);
        }
    }
    fputs(text, to);
}

static bool write_config(const test_server *s, const char *servers)
{
    FILE *config = nginx_config_begin(&s->nginx, "master_process off;\n");

    if (!config)
        return false;
    write_filled(config, s, servers);
    return nginx_config_end(config);
}

bool test_server_init(test_server *s)
{
    *s = (test_server){ .port = 0 };
    return nginx_init(&s->nginx);
}

/* A free port may be taken between asking for it and listening: then others are tried.
 */
bool test_server_start(test_server *s, const char *servers)
{
    bool keeps_ports = s->port != 0;

    if (!s->nginx.process.dir[0] && !test_server_init(s))
        return false;
    for (int i = 0; i < START_TRIES; i++) {
        if (!keeps_ports) {
            s->port = loopback_free_port();
            s->tls_port = loopback_free_port();
        }
        if (write_config(s, servers) && nginx_start(&s->nginx, SIGKILL))
            return true;
    }
    nginx_print_errors(&s->nginx);
    return false;
}

void test_server_stop(test_server *s)
{
    nginx_stop(&s->nginx);
}

void test_server_cleanup(test_server *s)
{
    nginx_cleanup(&s->nginx);
}
