/* SPDX-License-Identifier: MIT */
/*
 * A server of known capacity: a process that answers every request after a fixed time, so
 * many of them at once, the others in their order of arrival. It waits instead of working,
 * so that what it can serve does not depend on the machine. It can be made to fail, to
 * stall and to hang while it runs. As most servers do, it learns only when it answers
 * that nobody waits any more: the work was done. Speaks as much HTTP as GETs need.
 */
#ifndef KEEL_BENCH_STATION_H
#define KEEL_BENCH_STATION_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { STATION_MANY = 16384, STATION_URL_SIZE = 32 };

typedef struct station_words station_words;

typedef struct station {
    pid_t pid;
    char url[STATION_URL_SIZE]; /* "http://127.0.0.1:80" */
    station_words *words;       /* shared with its process */
} station;

/*
 * Starts it; it dies with the thread that did. To be called before there are others.
 *
 * workers  requests that it serves at once, STATION_MANY at most
 * Returns  false: stderr says why
 */
bool station_start(station *s, unsigned workers, uint64_t service_ns);

/* From now on. */
void station_serve_in(const station *s, uint64_t service_ns);
/* So many requests in a thousand are answered with 500, evenly spread. */
void station_fail(const station *s, uint32_t permille);
/* So many in a thousand take that much longer. */
void station_stall(const station *s, uint32_t permille, uint64_t stall_ns);

/* Requests that came since it was started. */
uint64_t station_arrived(const station *s);

/* Stops its time, with all connections open: it hangs. And lets it run on. */
void station_freeze(const station *s);
void station_thaw(const station *s);

/* All zero is fine. */
void station_stop(station *s);

#endif
