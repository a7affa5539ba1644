/* SPDX-License-Identifier: MIT */
/*
 * The fleet protocol as a model for spin: one breaker, N processes that share it, one
 * server whose scripts run whole, and everything that may go wrong between them. It is
 * for the decisions: epochs, leases, batches, joining, re-seeding. It is not for byte
 * layouts, windows by time, locks by operators or how many microseconds a script takes.
 *
 * What a run is about, and how much may go wrong in it, is said by -D: see fleet.sh for
 * the runs and README.md for what is left out. A switch that begins with MUTANT_ plants
 * a mistake that some assertion must find.
 */

#ifndef N
#define N 3             /* processes */
#endif
#ifndef K
#define K 1             /* leases of one half-open period */
#endif
#ifndef ALLOWED
#define ALLOWED 0       /* probes that may fail */
#endif
#ifndef EPOCHS
#define EPOCHS 6        /* the last epoch that is looked at */
#endif
#ifndef TRIP_AT
#define TRIP_AT 1       /* failed batches in the window that open the breaker */
#endif

/* How often each thing may go wrong. */
#ifndef FAILURES
#define FAILURES 1      /* batches with a failure in them */
#endif
#ifndef BAD_PROBES
#define BAD_PROBES 1
#endif
#ifndef FAILOVERS
#define FAILOVERS 0     /* at most 1: back to an earlier state of the server */
#endif
#ifndef CRASHES
#define CRASHES 0
#endif
#ifndef LOST_REPLIES
#define LOST_REPLIES 0
#endif
#ifndef LOST_EVENTS
#define LOST_EVENTS 0
#endif
#ifndef RETURNS
#define RETURNS 0       /* leases given back unused */
#endif
#ifndef JUMPS
#define JUMPS 0         /* of the server's clock */
#endif

/* Lengths in ticks. */
#ifndef OPEN_TICKS
#define OPEN_TICKS 1
#endif
#ifndef LEASE_TICKS
#define LEASE_TICKS 1
#endif
#define JUMP_TICKS (2 * OPEN_TICKS + 2 * LEASE_TICKS)

/* States of a breaker; the larger is the more protective. */
#define NONE 0          /* nothing is known: no blob, or a process that just began */
#define CLOSED 1
#define HALF_OPEN 2
#define OPEN 3

/* How far a process has come in joining. Which of the two comes first is the point. */
#define AWAY 0
#define JOINING 1
#define JOINED 2

/* A process's probe. */
#define IDLE 0
#define HELD 1          /* has a lease, has not called yet */
#define CALLING 2
#define SENT_OK 3       /* reported, but the reply was lost: to be sent again */
#define SENT_BAD 4

/* A lease in the server's set. One that is settled stays there until the epoch ends. */
#define FREE 0
#define LIVE 1
#define SETTLED 2

#define NOBODY N        /* owner of a lease whose process is gone */

typedef Lease {
    byte kind; byte owner; byte fence; byte rest;
    bool begun;         /* ghost: its call was made */
    bool refused;       /* ghost: somebody was refused because of it */
    byte age            /* ghost: ticks since then */
};

typedef Server {
    byte epoch; byte state; byte rest;
    bool brought;       /* a member brought it back, closed */
    byte ok; byte bad;
    Lease lease[K];
    byte window;        /* failed batches since the breaker closed */
    byte seq[N];        /* the last batch applied, by member */
    byte applied;       /* ghost: batches applied */
    byte good;          /* ghost: successes under a live lease of this epoch */
    byte calls          /* ghost: calls of this period, without those that expired */
};

typedef Message { byte epoch; byte state; byte rest };

typedef Process {
    byte link;
    byte epoch; byte state; byte rest;      /* its view of the fleet's breaker */
    byte age;                               /* ghost: ticks since it saw this epoch */
    byte probe; byte lease_epoch; byte lease_fence; byte lease_rest;
    bool lease_new;                         /* ghost: granted after the failover */
    bool counted;                           /* ghost: its outcome was taken once */
    bool failed;                            /* a failure waits to be sent */
    bool unacknowledged; byte seq;          /* a batch was sent, its reply not seen */
    bool event_waits; Message event;
    bool reply_waits; Message reply;
    bool missed                             /* ghost: an event to it was lost */
};

Server server;
Server earlier;         /* what a lagging replica knows: at first, nothing */
Process process[N];

byte failures = FAILURES;
byte bad_probes = BAD_PROBES;
byte failovers = FAILOVERS;
byte crashes = CRASHES;
byte lost_replies = LOST_REPLIES;
byte lost_events = LOST_EVENTS;
byte returns = RETURNS;
byte jumps = JUMPS;

/* Ghosts: what an all-knowing observer remembers. */
bool failed_over;
bool carried_over;      /* this half-open period was begun before the failover */
byte happened;          /* batches that were made */
unsigned earned : 16;   /* epochs in which the breaker is closed by right: a bit each */

/* Scratch, used inside one atomic step only and therefore no part of a state. */
hidden byte i, q, used, holders, found, fence;
hidden byte seen_epoch, seen_state, seen_rest;
hidden byte lost;

/* Where a planted mistake only changes a condition. */
#ifdef MUTANT_READ_THEN_SUBSCRIBE
#define is_subscribed(p) (process[p].link == JOINED)
#define can_subscribe(p) (process[p].link == JOINING && !process[p].reply_waits)
#define can_read(p) \
    (process[p].link != JOINING && !process[p].reply_waits && in_bounds)
#define AFTER_SUBSCRIBE JOINED
#define AFTER_READ(p) (process[p].link == AWAY -> JOINING : JOINED)
#else
#define is_subscribed(p) (process[p].link != AWAY)
#define can_subscribe(p) (process[p].link == AWAY)
#define can_read(p) (process[p].link != AWAY && !process[p].reply_waits && in_bounds)
#define AFTER_SUBSCRIBE JOINING
#define AFTER_READ(p) JOINED
#endif
#ifdef MUTANT_RUN_OUT_IS_UNKNOWN
#define seen_is_unknown (seen_state == OPEN && seen_rest == 0)
#else
#define seen_is_unknown false
#endif
#ifdef MUTANT_NO_SEQ
#define is_new_batch(p) true
#else
#define is_new_batch(p) (process[p].seq > server.seq[p])
#endif
#ifdef MUTANT_NO_EPOCH_IN_RESULT
#define is_about_now(p) (server.state == HALF_OPEN)
#else
#define is_about_now(p) \
    (server.state == HALF_OPEN && server.epoch == process[p].lease_epoch)
#endif
#ifdef MUTANT_EVERY_EVENT_IS_NEWS
#define is_news(p, said) (said.epoch != process[p].epoch)
#else
#define is_news(p, said) (said.epoch > process[p].epoch)
#endif

#ifdef MUTANT_LEASE_NEVER_EXPIRES
#define is_expired(this) false
#else
#define is_expired(this) (this.kind == LIVE && this.rest == 0)
#endif
#ifdef MUTANT_SPLIT_IS_LEFT_ALONE
#define seen_is_split false
#else
#define seen_is_split \
    (seen_epoch > 0 && seen_epoch == server.epoch && seen_state != server.state)
#endif

/* Open since after another member closed it anew, as the ages tell that are not here. */
#define seen_is_later \
    (failed_over && seen_epoch < server.epoch && seen_state > CLOSED && \
     server.state == CLOSED && server.brought)

#ifdef MUTANT_ANY_LENGTH_IS_BELIEVED
#define at_most_open(rest) (rest)
#else
#define at_most_open(rest) (smaller(rest, OPEN_TICKS))
#endif

#define is_of_this_period(p) \
    (process[p].lease_epoch == server.epoch && process[p].lease_new == failed_over)
#define is_holder(p) \
    (calls_now(p) && process[p].lease_rest > 0 && \
     (is_of_this_period(p) || \
      (carried_over && process[p].lease_epoch == server.epoch)))
#define is_lease_of(p, this) \
    (this.kind != FREE && this.owner == p && this.fence == process[p].lease_fence)
#define is_current(p) (process[p].epoch == 0 || process[p].epoch == server.epoch)
#define has_expired \
    (found == K || \
     (server.lease[found].kind == LIVE && server.lease[found].rest == 0))
#define has_fence(p, this) \
    (this.kind != FREE && this.owner == p && this.fence == fence)
#define is_aging(this) (this.refused && this.age <= LEASE_TICKS)
#define calls_now(p) (process[p].probe == HELD || process[p].probe == CALLING)
#define in_a_call (calls_now(0) || calls_now(1))        /* LIVENESS has two processes */
#define is_earned(e) ((earned >> (e)) & 1)
#define smaller(a, b) ((a) < (b) -> (a) : (b))
#define larger(a, b) ((a) > (b) -> (a) : (b))

/* ---- what the server says --------------------------------------------------------- */

/* What the server said, by event or reply. I1: no epoch goes back. And nobody who knew
 * the breaker open reads it as closed unless probes have closed it since: I6. */
inline hear(p, said)
{
    if
    :: is_news(p, said) ->
        assert(said.epoch >= process[p].epoch);
        assert(said.state != CLOSED || process[p].state <= CLOSED ||
               is_earned(said.epoch));
        process[p].epoch = said.epoch;
        process[p].state = said.state;
        process[p].rest = at_most_open(said.rest);
        process[p].age = 0
    :: said.epoch == process[p].epoch && said.state == process[p].state ->
#ifdef MUTANT_OPEN_IS_PROLONGED
        process[p].rest = said.rest
#else
        process[p].rest = smaller(process[p].rest, said.rest)
#endif
    :: else
    fi
}

/*
 * Tells all who listen. Redis tells each connection in order; what was not read yet is
 * outrun by what is new, because an older epoch would be dropped by its reader anyhow.
 * Where messages take no time they are heard at once or are lost: what comes late tells
 * nothing that a process could not have been told on time.
 */
inline publish()
{
    for (q : 0 .. N - 1) {
        if
#ifdef MESSAGES_TAKE_TIME
        :: is_subscribed(q) ->
            process[q].event_waits = true;
            process[q].event.epoch = server.epoch;
            process[q].event.state = server.state;
            process[q].event.rest = server.rest
#else
        :: is_subscribed(q) -> hear(q, server)
        :: is_subscribed(q)
#endif
        :: !is_subscribed(q)
        fi
    }
}

/* ---- the server ----------------------------------------------------------------- */

inline forget_lease(gone)
{
    gone.kind = FREE; gone.owner = 0; gone.fence = 0; gone.rest = 0;
    gone.begun = false; gone.refused = false; gone.age = 0
}

inline forget_period()
{
    server.ok = 0; server.bad = 0; server.good = 0; server.calls = 0;
    for (q : 0 .. K - 1) { forget_lease(server.lease[q]) }
    carried_over = false
}

/* Every change of the breaker: I2, one state to an epoch; I5, closed by right only. */
inline put(new_epoch, new_state, new_rest)
{
    assert(server.state == NONE || (new_epoch) > server.epoch);
    assert((new_state) != CLOSED || is_earned(new_epoch));
    server.state = new_state;
    server.rest = new_rest;
    server.epoch = new_epoch;
    server.brought = false;
    server.window = 0;
#ifdef MUTANT_PROBES_OF_LAST_PERIOD
    if :: server.state != HALF_OPEN -> server.good = 0 :: else fi;
#else
    forget_period();
#endif
    publish()
}

/* The server lost data, is a replica that lagged, or another lineage went on here. */
inline meet_view(p)
{
    seen_epoch = process[p].epoch;
    seen_state = process[p].state;
    seen_rest = process[p].rest;
    if
    :: seen_epoch == 0 && server.state == NONE ->
        earned = earned | 2;
        put(1, CLOSED, 0)
    :: seen_epoch > server.epoch && seen_is_unknown ->
        server.epoch = seen_epoch;
        server.state = larger(server.state, CLOSED)
    :: seen_epoch > server.epoch && seen_state == HALF_OPEN ->
#ifdef MUTANT_HALF_OPEN_AS_HALF_OPEN
        put(seen_epoch, HALF_OPEN, 0);
        carried_over = true
#else
        put(seen_epoch + 1, OPEN, OPEN_TICKS)
#endif
    :: seen_epoch > server.epoch && seen_state != HALF_OPEN && !seen_is_unknown ->
        put(seen_epoch, seen_state, seen_rest);
        server.brought = (seen_state == CLOSED)
    :: seen_epoch > server.epoch && seen_state == CLOSED && server.state > CLOSED ->
        put(seen_epoch + 1, OPEN, OPEN_TICKS)   /* it closed before that opened */
    :: seen_is_later ->
        put(server.epoch + 1, OPEN, OPEN_TICKS)
    :: seen_is_split ->
        if
#ifdef MUTANT_LAST_WRITER
        :: true -> put(server.epoch + 1, seen_state, seen_rest)
#else
        :: seen_state == OPEN || server.state == OPEN ->
            seen_rest = larger(server.rest, seen_rest);
            put(server.epoch + 1, OPEN, seen_rest)
        :: else -> put(server.epoch + 1, OPEN, OPEN_TICKS)
#endif
        fi
    :: seen_epoch == server.epoch && seen_state == OPEN && server.state == OPEN ->
#ifndef MUTANT_SERVER_CLOCK_ALONE
        server.rest = smaller(server.rest, seen_rest)
#else
        skip
#endif
    :: else
    fi
}

/* The batch of a member, once: I11. */
inline take_batch(p)
{
    if
    :: process[p].failed && !process[p].unacknowledged ->
        process[p].failed = false;
        process[p].unacknowledged = true;
        process[p].seq++
    :: else
    fi;
    if
    :: process[p].unacknowledged && is_new_batch(p) ->
        server.seq[p] = process[p].seq;
        server.applied++;
        assert(server.applied <= happened);
        if
        :: server.state == CLOSED && is_current(p) -> server.window++
        :: else
        fi
    :: else
    fi
}

/* The script sync, whole. I10: nobody who waited the whole time is told to wait more. */
inline sync(p)
{
    process[p].missed = false;
    meet_view(p);
    if
    :: server.rest > OPEN_TICKS -> server.rest = OPEN_TICKS
    :: else
    fi;
    take_batch(p);
    if
    :: server.state == CLOSED && server.window >= TRIP_AT ->
        put(server.epoch + 1, OPEN, OPEN_TICKS)
    :: else
    fi;
    assert(JUMPS == 0 || server.rest == 0 || server.epoch != process[p].epoch ||
           process[p].age + server.rest <= OPEN_TICKS)
}

/* Takes away what has expired; a lease from before a step back of the clock is cut to
 * the length of a new one. A call of an expired lease may be made once more by another. */
inline prune_leases()
{
    for (i : 0 .. K - 1) {
        if
        :: is_expired(server.lease[i]) ->
            if
            :: server.lease[i].begun -> server.calls--
            :: else
            fi;
            forget_lease(server.lease[i])
#ifndef MUTANT_LEASE_PAST_ITS_LENGTH
        :: server.lease[i].kind == LIVE && server.lease[i].rest > LEASE_TICKS ->
            server.lease[i].rest = LEASE_TICKS
#endif
        :: else
        fi
    }
}

/* I3: the live leases of one period, as their holders see them. A clock that jumped
 * forward has taken leases from holders who cannot know. */
inline count_holders()
{
    holders = 0;
    for (q : 0 .. N - 1) {
        if
        :: is_holder(q) -> holders++
        :: else
        fi
    }
    assert(JUMPS > 0 || holders <= K)
}

/* The server counts on for ever. Here the number is the smallest that no other lease of
 * this member has: that tells them apart as well, and there are fewer states. */
inline choose_fence(p)
{
    fence = 1;
    for (i : 0 .. K - 1) {
        for (q : 0 .. K - 1) {
            if
            :: has_fence(p, server.lease[q]) || has_fence(p, earlier.lease[q]) -> fence++
            :: else
            fi
        }
    }
}

inline grant(p)
{
    used = 0;
    found = K;
#ifdef MUTANT_SETTLED_IS_REMOVED
    used = server.ok;
#endif
#ifdef MUTANT_SETTLED_IS_UNKNOWN
    used = server.ok + server.bad;
#endif
    for (i : 0 .. K - 1) {
        if
        :: server.lease[i].kind == FREE -> found = i
        :: server.lease[i].kind == LIVE -> used++
        :: server.lease[i].kind == SETTLED ->
#ifdef MUTANT_SETTLED_MAKES_ROOM
            found = i
#else
            used++
#endif
        fi
    }
    if
    :: used < K ->
        choose_fence(p);
        server.lease[found].kind = LIVE;
        server.lease[found].owner = p;
        server.lease[found].fence = fence;
        server.lease[found].rest = LEASE_TICKS;
        if
        :: lost
        :: else ->
            process[p].probe = HELD;
            process[p].lease_epoch = server.epoch;
            process[p].lease_fence = fence;
            process[p].lease_rest = LEASE_TICKS;
            process[p].counted = false;
            process[p].lease_new = failed_over;
            count_holders()
        fi
    :: else ->
        for (i : 0 .. K - 1) {
            if
            :: server.lease[i].kind == LIVE ->
                server.lease[i].refused = true;
                assert(server.lease[i].age <= LEASE_TICKS)
            :: else
            fi
        }
    fi
}

/* The script claim, whole. */
inline claim(p)
{
    if
    :: server.epoch != process[p].epoch || server.state == NONE || server.state == CLOSED
    :: server.epoch == process[p].epoch && server.state == OPEN && server.rest > 0
    :: server.epoch == process[p].epoch && server.state == OPEN && server.rest == 0 ->
        put(server.epoch + 1, HALF_OPEN, 0);
        grant(p)
    :: server.epoch == process[p].epoch && server.state == HALF_OPEN ->
        prune_leases();
        grant(p)
    fi
}

inline find_lease(p)
{
    found = K;
    for (i : 0 .. K - 1) {
        if
        :: is_lease_of(p, server.lease[i]) -> found = i
        :: else
        fi
    }
}

inline settle(p)
{
    assert(!process[p].counted || !is_of_this_period(p));
    process[p].counted = true;
#if defined(MUTANT_SETTLED_IS_REMOVED) || defined(MUTANT_SETTLED_IS_UNKNOWN)
    forget_lease(server.lease[found])
#else
    server.lease[found].kind = SETTLED;
    server.lease[found].rest = 0;
    server.lease[found].refused = false;
    server.lease[found].age = 0
#endif
}

inline reopen(p)
{
    assert(process[p].lease_epoch == server.epoch);
    put(server.epoch + 1, OPEN, OPEN_TICKS)
}

inline take_success()
{
    server.ok++;
    if
    :: server.ok >= K - ALLOWED ->
        if
        :: server.good >= K - ALLOWED -> earned = earned | (1 << (server.epoch + 1))
        :: else
        fi;
        put(server.epoch + 1, CLOSED, 0)
    :: else
    fi
}

/* The script result, whole. I4: only the epoch and the fence of a lease move the
 * breaker, but that a bad outcome reopens it even when the lease has expired. */
inline result(p, is_ok)
{
    find_lease(p);
    if
    :: !is_about_now(p)
    :: else ->
        if
        :: found < K && server.lease[found].kind == LIVE && server.lease[found].rest > 0 ->
            settle(p);
            if
            :: is_ok ->
                assert(process[p].lease_epoch == server.epoch);
                server.good++;
                take_success()
            :: else ->
                server.bad++;
                if
                :: server.bad > ALLOWED -> reopen(p)
                :: else
                fi
            fi
        :: found < K && server.lease[found].kind == SETTLED
        :: has_expired && is_ok ->
#ifdef MUTANT_LATE_SUCCESS_COUNTS
            take_success()
#else
            skip
#endif
        :: has_expired && !is_ok ->
            assert(!process[p].counted || !is_of_this_period(p));
            reopen(p)
        fi
    fi
}

/* ---- a process ------------------------------------------------------------------ */

inline forget_event(p)
{
    process[p].event_waits = false;
    process[p].event.epoch = 0;
    process[p].event.state = 0;
    process[p].event.rest = 0
}

inline forget_reply(p)
{
    process[p].reply_waits = false;
    process[p].reply.epoch = 0;
    process[p].reply.state = 0;
    process[p].reply.rest = 0
}

/* After any error both connections are closed and never used again. */
inline leave(p)
{
    process[p].link = AWAY;
    process[p].missed = false;
    forget_event(p);
    forget_reply(p)
}

inline forget_probe(p)
{
    process[p].probe = IDLE;
    process[p].lease_epoch = 0;
    process[p].lease_fence = 0;
    process[p].lease_rest = 0;
    process[p].lease_new = false;
    process[p].counted = false
}

/* Whether this reply will be lost. */
inline choose_loss()
{
    if
    :: lost = false
    :: lost_replies > 0 -> lost_replies--; lost = true
    fi
}

inline begin_call(p)
{
    find_lease(p);
    process[p].probe = CALLING;
    if
    :: found < K && is_of_this_period(p) ->
        server.lease[found].begun = true;
        server.calls++;
        assert(server.calls <= K)
    :: else
    fi
}

/* A probe ends; what it learnt is sent, and once more when the reply was lost. */
inline report(p, is_ok)
{
    choose_loss();
    result(p, is_ok);
    if
    :: lost ->
        process[p].probe = (is_ok -> SENT_OK : SENT_BAD);
        leave(p)
    :: else ->
        forget_probe(p);
        hear(p, server)
    fi
}

/* Nothing that would raise the epoch is looked at beyond the last one. */
#define in_bounds (server.epoch + 2 <= EPOCHS)
#define can_ask(p) (process[p].link == JOINED && !process[p].reply_waits && in_bounds)
#define may_probe(p) \
    (process[p].epoch > 0 && (process[p].state == HALF_OPEN || \
     (process[p].state == OPEN && process[p].rest == 0)))

/* The reply of a sync: the batch was taken, and this is how things stand. */
inline hear_reply(p, answer)
{
    hear(p, answer);
    process[p].unacknowledged = false
}

#ifndef MESSAGES_TAKE_TIME
/* Joins, sends batches, hears the replies. */
proctype Sync(byte p)
{
    do
    :: atomic {
        in_bounds ->
        choose_loss();
        sync(p);
        if
        :: lost -> leave(p)
        :: else ->
            hear_reply(p, server);
            process[p].link = JOINED
        fi
    }
    od
}
#else
proctype Sync(byte p)
{
    do
    :: atomic { can_subscribe(p) -> process[p].link = AFTER_SUBSCRIBE }
    :: atomic {
        can_read(p) ->
        choose_loss();
        sync(p);
        if
        :: lost -> leave(p)
        :: else ->
            process[p].reply_waits = true;
            process[p].reply.epoch = server.epoch;
            process[p].reply.state = server.state;
            process[p].reply.rest = server.rest
        fi
    }
    :: atomic {
        process[p].reply_waits ->
        hear_reply(p, process[p].reply);
        forget_reply(p);
        process[p].link = AFTER_READ(p)
    }
    od
}
#endif

#ifdef MESSAGES_TAKE_TIME
/* The other connection. A message may come twice. */
proctype Listen(byte p)
{
    do
    :: atomic {
        process[p].event_waits ->
        hear(p, process[p].event);
#ifdef EVENTS_COME_TWICE
        if
        :: forget_event(p)
        :: skip
        fi
#else
        forget_event(p)
#endif
    }
    od
}

#endif

/* Claims a lease, calls, reports. */
proctype Probe(byte p)
{
    do
    :: atomic {
        process[p].probe == IDLE && can_ask(p) && may_probe(p) ->
        choose_loss();
        claim(p);
        if
        :: lost -> leave(p)
        :: else -> hear(p, server)
        fi
    }
    :: atomic {
        process[p].probe == HELD ->
        if
        :: process[p].lease_rest > 0 -> begin_call(p)
        :: else -> forget_probe(p)
        fi
    }
    :: atomic {
        process[p].probe == HELD && returns > 0 && can_ask(p) ->
        returns--;
        find_lease(p);
        if
        :: found < K && server.epoch == process[p].lease_epoch ->
            forget_lease(server.lease[found])
        :: else
        fi;
        forget_probe(p)
    }
    :: atomic { process[p].probe == CALLING && can_ask(p) -> report(p, true) }
    :: atomic {
        process[p].probe == CALLING && can_ask(p) && bad_probes > 0 ->
        bad_probes--;
        report(p, false)
    }
    :: atomic { process[p].probe == SENT_OK && can_ask(p) -> report(p, true) }
    :: atomic { process[p].probe == SENT_BAD && can_ask(p) -> report(p, false) }
    od
}

/* ---- the world ------------------------------------------------------------------ */

#define pass(time) time = (time > 0 -> time - 1 : 0)

inline pass_at(s)
{
    pass(s.rest);
    for (q : 0 .. K - 1) {
        pass(s.lease[q].rest);
        if
        :: is_aging(s.lease[q]) -> s.lease[q].age++
        :: else
        fi
    }
}

/* I10 once more, at the process; and who misses no message is never behind. */
inline look(p)
{
    assert(JUMPS == 0 || process[p].state != OPEN || process[p].rest == 0 ||
           process[p].age + process[p].rest <= OPEN_TICKS);
#ifdef MESSAGES_TAKE_TIME
    assert(failed_over || process[p].link != JOINED || process[p].missed ||
           process[p].event_waits || process[p].reply_waits ||
           process[p].epoch == server.epoch)
#endif
}

/* Time passes alike for all; only the server's clock can be set. */
proctype Clock()
{
    do
    :: atomic {
#ifdef LIVENESS
        /* Who has a lease calls and reports within it. */
        !in_a_call ->
#endif
        pass_at(server);
        pass_at(earlier);
        for (i : 0 .. N - 1) {
            look(i);
            pass(process[i].rest);
            pass(process[i].lease_rest);
            if
            :: JUMPS > 0 && process[i].state == OPEN && process[i].age <= OPEN_TICKS ->
                process[i].age++
            :: else
            fi
        }
    }
    od
}

inline copy_server(to, from)
{
    to.epoch = from.epoch; to.state = from.state; to.rest = from.rest;
    to.brought = from.brought;
    to.ok = from.ok; to.bad = from.bad;
    to.window = from.window; to.applied = from.applied; to.good = from.good;
    to.calls = from.calls;
    for (q : 0 .. K - 1) {
        to.lease[q].kind = from.lease[q].kind; to.lease[q].owner = from.lease[q].owner;
        to.lease[q].fence = from.lease[q].fence; to.lease[q].rest = from.lease[q].rest;
        to.lease[q].begun = from.lease[q].begun; to.lease[q].refused = from.lease[q].refused;
        to.lease[q].age = from.lease[q].age
    }
    for (q : 0 .. N - 1) { to.seq[q] = from.seq[q] }
}

inline forget_server(s)
{
    s.epoch = 0; s.state = NONE; s.rest = 0; s.brought = false;
    s.ok = 0; s.bad = 0;
    s.window = 0; s.applied = 0; s.good = 0; s.calls = 0;
    for (q : 0 .. K - 1) { forget_lease(s.lease[q]) }
    for (q : 0 .. N - 1) { s.seq[q] = 0 }
}

inline leave_orphans(s, p)
{
    s.seq[p] = 0;
    for (q : 0 .. K - 1) {
        if
        :: s.lease[q].kind != FREE && s.lease[q].owner == p -> s.lease[q].owner = NOBODY
        :: else
        fi
    }
}

/* kill -9, and a successor that knows nothing: another member with another id. */
inline crash(p)
{
    leave(p);
    forget_probe(p);
    process[p].epoch = 0; process[p].state = NONE;
    process[p].rest = 0; process[p].age = 0;
    process[p].failed = false; process[p].unacknowledged = false; process[p].seq = 0;
    leave_orphans(server, p);
    leave_orphans(earlier, p)
}

inline fail_over()
{
    copy_server(server, earlier);
    forget_server(earlier);
    failed_over = true;
    for (i : 0 .. N - 1) { leave(i) }
}

inline set_clock_back()
{
    if
    :: server.state == OPEN -> server.rest = JUMP_TICKS
    :: else
    fi;
    for (i : 0 .. K - 1) {
        if
        :: server.lease[i].kind == LIVE ->
            server.lease[i].rest = JUMP_TICKS;
            server.lease[i].refused = false;
            server.lease[i].age = 0
        :: else
        fi
    }
}

inline set_clock_forward()
{
    server.rest = 0;
    for (i : 0 .. K - 1) { server.lease[i].rest = 0 }
}

proctype Mischief()
{
    byte p;
    bool kept;

    do
    :: atomic {
        failures > 0 && in_bounds -> select(p : 0 .. N - 1);
        if
        :: process[p].state <= CLOSED && !process[p].failed ->
            failures--;
            happened++;
            process[p].failed = true
        :: else
        fi;
        p = 0
    }
#if CRASHES > 0
    :: atomic { crashes > 0 -> crashes--; select(p : 0 .. N - 1); crash(p); p = 0 }
#endif
#if LOST_EVENTS > 0
    :: atomic {
        lost_events > 0 -> select(p : 0 .. N - 1);
        if
        :: process[p].event_waits ->
            lost_events--;
            process[p].missed = true;
            forget_event(p)
        :: else
        fi;
        p = 0
    }
#endif
#if FAILOVERS > 0
    :: atomic { failovers > 0 && !kept -> kept = true; copy_server(earlier, server) }
    :: atomic { failovers > 0 -> failovers--; kept = true; fail_over() }
#endif
#if JUMPS > 0
    :: atomic { jumps > 0 -> jumps--; set_clock_back() }
    :: atomic { jumps > 0 -> jumps--; set_clock_forward() }
#endif
    od
}

init
{
    atomic {
        for (i : 0 .. N - 1) {
            run Sync(i);
#ifdef MESSAGES_TAKE_TIME
            run Listen(i);
#endif
            run Probe(i)
        }
        run Clock();
        run Mischief()
    }
}

#ifdef LIVENESS
#define healed(p) \
    (process[p].link == JOINED && process[p].state == CLOSED && \
     process[p].epoch == server.epoch)
ltl heals { <> [] (server.state == CLOSED && healed(0) && healed(1)) }
#endif
