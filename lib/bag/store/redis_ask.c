/* SPDX-License-Identifier: MIT */
/* Commands, connections and replies brought together. Not for what verbs mean. */
#include "bag/store/redis_ask.h"

#include <string.h>

#include "base/detail.h"

/* A cluster that is being changed sends on a few times; one that is broken, for ever. */
enum { HOPS = 5 };

#define CANCEL_LOOK_NS                                                                 \
    (10 * KEEL_MS) /* a token wakes who sleeps on its word, not who polls */

/* ---- requests ------------------------------------------------------------------------ */

void keel_redis_key_write(keel_redis_key *to, const keel_redis_store *s, keel_bytes key)
{
    to->length = s->prefix.length + key.length;
    memcpy(to->at, s->prefix.at, s->prefix.length);
    memcpy(to->at + s->prefix.length, key.at, key.length);
    to->at[to->length] = '\0';
}

void keel_redis_request_add(keel_redis_request *q, const void *at, size_t length)
{
    q->argv[q->argc] = at;
    q->lengths[q->argc++] = length;
}

void keel_redis_request_text(keel_redis_request *q, const char *text)
{
    keel_redis_request_add(q, text, strlen(text));
}

void keel_redis_request_begin(keel_redis_request *q, const keel_redis_store *s,
                              const char *verb, keel_bytes key, unsigned answers)
{
    q->argc = 0;
    q->script = NULL;
    q->writes = false;
    q->answers = answers;
    keel_redis_key_write(&q->key, s, key);
    keel_redis_request_text(q, verb);
    keel_redis_request_add(q, q->key.at, q->key.length);
}

void keel_redis_request_script(keel_redis_request *q, const keel_redis_store *s,
                               keel_redis_script_id script, keel_bytes key,
                               unsigned answers)
{
    q->argc = 0;
    q->script = &keel_redis_scripts[script];
    q->writes = true;
    q->answers = answers | KEEL_REDIS_IS(INTEGER);
    keel_redis_key_write(&q->key, s, key);
    keel_redis_request_text(q, "EVALSHA");
    keel_redis_request_text(q, q->script->sha1);
    keel_redis_request_text(q, "1");
    keel_redis_request_add(q, q->key.at, q->key.length);
    keel_redis_request_text(q, s->envelope ? "24" : "0");
}

/* Once and for all: the server keeps it from then on. */
static void send_text_of_script(keel_redis_request *q)
{
    q->argv[0] = "EVAL";
    q->lengths[0] = strlen(q->argv[0]);
    q->argv[1] = q->script->body;
    q->lengths[1] = q->script->length;
}

void keel_redis_replies_free(redisReply **replies, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (replies[i])
            freeReplyObject(replies[i]);
        replies[i] = NULL;
    }
}

/* ---- failures ------------------------------------------------------------------------ */

/* One use of a connection, and how far it came. */
typedef struct exchange {
    keel_redis_store *s;
    const keel_bag_op *op;
    uint64_t until; /* the deadline on the sockets' clock */
    bool writes;
    bool was_sent;
    keel_detail said; /* by who found out */
} exchange;

static keel_status tell(const exchange *e, keel_status status, keel_detail *why)
{
    keel_applied applied =
        e->writes && e->was_sent ? KEEL_APPLIED_UNKNOWN : KEEL_APPLIED_NO;

    keel_bag_fail(why, status, applied, e->s->path, "%s", e->said.text);
    if (why && why->size > offsetof(keel_detail, system_errno))
        why->system_errno = e->said.system_errno;
    return status;
}

static keel_status status_of(keel_redis_error error)
{
    switch (error) {
    case KEEL_REDIS_NO_ERROR:
        return KEEL_OK;
    case KEEL_REDIS_READONLY:
        return KEEL_READ_ONLY;
    case KEEL_REDIS_WRONGTYPE:
        return KEEL_CORRUPT;
    case KEEL_REDIS_NOSCRIPT:
    case KEEL_REDIS_LOADING:
    case KEEL_REDIS_OOM:
    case KEEL_REDIS_MOVED:
    case KEEL_REDIS_ASK:
    case KEEL_REDIS_NOPERM:
    case KEEL_REDIS_NOAUTH:
    case KEEL_REDIS_WRONGPASS:
    case KEEL_REDIS_CLUSTERDOWN:
    case KEEL_REDIS_MASTERDOWN:
    case KEEL_REDIS_TRYAGAIN:
    case KEEL_REDIS_BUSY:
    case KEEL_REDIS_OTHER:
        break;
    }
    return KEEL_FAILED;
}

/*
 * With an error reply of its own Redis has done nothing: it checks a command before it does
 * it, and the scripts write nothing before all that can be refused has been.
 */
keel_status keel_redis_refusal(const keel_redis_store *s, const redisReply *reply,
                               keel_detail *why)
{
    keel_status status = status_of(keel_redis_error_of(reply));
    char quoted[KEEL_QUOTE_SIZE];

    if (status == KEEL_OK)
        return KEEL_OK;
    return keel_bag_fail(why, status, KEEL_APPLIED_NO, s->path, "Redis refuses: %s",
                         keel_quote(quoted, (keel_text){ reply->str, reply->len }));
}

/* ---- one connection ------------------------------------------------------------------ */

/* The deadline is the runtime's clock's, sockets wait by that of the system. */
static uint64_t until_of(const keel_redis_store *s, const keel_bag_op *op)
{
    if (keel_clock_is_real(s->clock))
        return op->deadline_at_ns;
    return keel_ns_add(keel_socket_now(),
                       keel_ns_left(op->deadline_at_ns, s->clock->now(s->clock->ctx)));
}

static exchange begin(keel_redis_store *s, const keel_bag_op *op, bool writes)
{
    return (exchange){ .s = s,
                       .op = op,
                       .until = until_of(s, op),
                       .writes = writes,
                       .said = KEEL_DETAIL_INIT };
}

static bool is_good(const keel_pooled *taken)
{
    const keel_redis_connection *c = taken->connection;

    return keel_pool_is_fresh(taken) || keel_redis_is_quiet(c->redis);
}

/* What a server has closed since is not given out: a write lost on it would be in doubt. */
static keel_status take(exchange *e, keel_redis_node *node, uint64_t until,
                        keel_pooled *taken)
{
    const keel_cancel *cancel = e->op->cancel;
    keel_status status;

    if (cancel && keel_cancel_fired(cancel)) {
        keel_fail(&e->said, KEEL_CANCELLED, "cancelled before it was sent");
        return KEEL_CANCELLED;
    }
    for (;;) {
        status = keel_pool_take(&node->pool, until, cancel, taken, &e->said);
        if (status != KEEL_OK || is_good(taken))
            return status;
        keel_pool_give(&node->pool, taken, false);
    }
}

static keel_status receive(exchange *e, keel_redis *r, redisReply **reply)
{
    const keel_cancel *cancel = e->op->cancel;

    for (;;) {
        uint64_t step = e->until;
        keel_status status;

        if (cancel)
            step = keel_ns_min(step, keel_ns_add(keel_socket_now(), CANCEL_LOOK_NS));
        status = keel_redis_receive(r, reply, step, &e->said);
        if (status != KEEL_TIMEOUT || step == e->until)
            return status;
        if (keel_cancel_fired(cancel))
            return keel_fail(&e->said, KEEL_CANCELLED,
                             "cancelled while it waited for an answer");
    }
}

static keel_status say_doubtful(exchange *e, const redisReply *reply)
{
    char quoted[KEEL_QUOTE_SIZE];

    return keel_failf(&e->said, KEEL_FAILED, "what came is no refusal of Redis': %s",
                      keel_quote(quoted, (keel_text){ reply->str, reply->len }));
}

/* What is no reply to that command is perhaps one to another. */
static keel_status check(exchange *e, redisReply *const *replies, size_t count,
                         unsigned answers)
{
    for (size_t i = 0; i < count; i++) {
        if (!((answers | KEEL_REDIS_IS(ERROR)) & 1U << replies[i]->type))
            return keel_fail(&e->said, KEEL_FAILED,
                             "what came is no reply to what was asked");
        if (e->writes && replies[i]->type == REDIS_REPLY_ERROR &&
            !keel_redis_is_refusal(replies[i]))
            return say_doubtful(e, replies[i]);
    }
    return KEEL_OK;
}

static keel_status talk(exchange *e, keel_redis *r, const keel_redis_batch *b,
                        redisReply **replies)
{
    keel_status status = keel_redis_send(r, b->commands, b->count, e->until, &e->said);

    e->was_sent = keel_redis_has_sent(r);
    for (size_t i = 0; i < b->count && status == KEEL_OK; i++)
        status = receive(e, r, &replies[i]);
    return status == KEEL_OK ? check(e, replies, b->count, b->answers) : status;
}

/* Where one connection has died, those that lay idle have, too. */
static keel_status use(exchange *e, keel_redis_node *node, keel_pooled *taken,
                       const keel_redis_batch *b, redisReply **replies)
{
    keel_redis_connection *c = taken->connection;
    keel_status status;

    for (size_t i = 0; i < b->count; i++)
        replies[i] = NULL;
    status = talk(e, c->redis, b, replies);
    keel_pool_give(&node->pool, taken, status == KEEL_OK);
    if (status == KEEL_FAILED && taken->is_used)
        keel_pool_drain(&node->pool);
    if (status != KEEL_OK)
        keel_redis_replies_free(replies, b->count);
    return status;
}

keel_status keel_redis_exchange_all(keel_redis_store *s, const keel_bag_op *op,
                                    keel_redis_node *node, const keel_redis_batch *b,
                                    redisReply **replies, keel_detail *why)
{
    exchange e = begin(s, op, b->writes);
    keel_pooled taken;
    keel_status status = take(&e, node, e.until, &taken);

    if (status == KEEL_OK)
        status = use(&e, node, &taken, b, replies);
    if (status == KEEL_OK)
        return KEEL_OK;
    keel_redis_nodes_forget(&s->nodes, node);
    return tell(&e, status, why);
}

/* ---- one command, to whom it is for -------------------------------------------------- */

/* Where a command goes. */
typedef struct way {
    keel_redis_node *node;
    uint32_t slot;
    bool is_asking; /* this once, to a node that is only about to have the slot */
} way;

static void go_to(keel_redis_nodes *nodes, way *w, keel_redis_node *node)
{
    keel_redis_nodes_leave(nodes, w->node);
    w->node = node;
}

static bool may_be_elsewhere(const keel_redis_store *s, keel_status status)
{
    return s->nodes.terms.url.kind == KEEL_REDIS_CLUSTER &&
           (status == KEEL_FAILED || status == KEEL_TIMEOUT);
}

/* A node that cannot be reached is not the one: another knows who it is now. */
static keel_status take_any(exchange *e, way *w, keel_pooled *taken)
{
    keel_redis_nodes *nodes = &e->s->nodes;
    bool is_cluster = nodes->terms.url.kind == KEEL_REDIS_CLUSTER;
    size_t left = is_cluster ? keel_redis_nodes_count(nodes) : 1;
    keel_status status;

    for (;; left--) {
        status = take(e, w->node, left > 1 ? keel_dial_share(e->until, left) : e->until,
                      taken);
        if (status == KEEL_OK || left <= 1 || !may_be_elsewhere(e->s, status))
            break;
        keel_redis_nodes_forget(nodes, w->node);
        go_to(nodes, w, keel_redis_nodes_of(nodes, w->slot));
        w->is_asking = false;
    }
    if (status != KEEL_OK && is_cluster)
        keel_redis_nodes_forget(nodes, w->node);
    return status;
}

/* Behind ASKING, whose reply matters to nobody, where the slot is about to move. */
static keel_status ask_once(exchange *e, way *w, const keel_redis_request *q,
                            redisReply **reply)
{
    const keel_redis_command commands[] = {
        KEEL_REDIS_COMMAND("ASKING"),
        { q->argc, (const char **)(uintptr_t)q->argv, q->lengths },
    };
    redisReply *replies[] = { NULL, NULL };
    keel_redis_batch b = { commands + 1, 1, q->answers, q->writes };
    keel_pooled taken;
    keel_status status = take_any(e, w, &taken);

    if (status != KEEL_OK)
        return status;
    if (w->is_asking)
        b = (keel_redis_batch){ commands, 2, q->answers | KEEL_REDIS_IS(STATUS),
                                q->writes };
    status = use(e, w->node, &taken, &b, replies);
    if (may_be_elsewhere(e->s, status))
        keel_redis_nodes_forget(&e->s->nodes, w->node);
    if (status != KEEL_OK)
        return status;
    if (w->is_asking)
        keel_redis_replies_free(replies, 1);
    *reply = replies[w->is_asking ? 1 : 0];
    return KEEL_OK;
}

/* Whether the reply sends it to another node, which then is w->node. */
static bool is_sent_on(exchange *e, way *w, const redisReply *reply)
{
    keel_redis_move move;
    keel_redis_node *node;

    if (e->s->nodes.terms.url.kind != KEEL_REDIS_CLUSTER ||
        !keel_redis_move_read(&move, reply))
        return false;
    if (!move.to.name[0])
        memcpy(move.to.name, w->node->at.name, sizeof move.to.name);
    node = keel_redis_nodes_at(&e->s->nodes, &move.to);
    if (!node)
        return false;
    w->is_asking = keel_redis_error_of(reply) == KEEL_REDIS_ASK;
    if (!w->is_asking)
        keel_redis_nodes_learn(&e->s->nodes, w->slot, node);
    go_to(&e->s->nodes, w, node);
    return true;
}

/* Whether to ask again what was answered so: nothing was done. */
static bool is_to_be_asked_again(exchange *e, way *w, keel_redis_request *q,
                                 const redisReply *reply)
{
    if (q->script && keel_redis_error_of(reply) == KEEL_REDIS_NOSCRIPT) {
        send_text_of_script(q);
        return true;
    }
    return is_sent_on(e, w, reply);
}

/* A demoted master is left: whoever leads to it, a name or sentinels, is asked anew. */
static void leave_if_demoted(const way *w, const redisReply *reply)
{
    if (keel_redis_error_of(reply) == KEEL_REDIS_READONLY)
        keel_pool_drain(&w->node->pool);
}

static uint32_t slot_of(const keel_redis_store *s, const keel_redis_key *key)
{
    if (s->nodes.terms.url.kind != KEEL_REDIS_CLUSTER)
        return 0;
    return keel_redis_slot((keel_text){ key->at, key->length });
}

/* Its reply, from wherever it is sent to. */
static keel_status ask_on_the_way(exchange *e, way *w, keel_redis_request *q,
                                  redisReply **reply, keel_detail *why)
{
    keel_status status;

    for (int hop = 0;; hop++) {
        status = ask_once(e, w, q, reply);
        if (status != KEEL_OK)
            return tell(e, status, why);
        if (hop == HOPS || !is_to_be_asked_again(e, w, q, *reply))
            break;
        e->was_sent = false; /* and was refused: nothing is in doubt any more */
        keel_redis_replies_free(reply, 1);
    }
    status = keel_redis_refusal(e->s, *reply, why);
    if (status != KEEL_OK) {
        leave_if_demoted(w, *reply);
        keel_redis_replies_free(reply, 1);
    }
    return status;
}

keel_status keel_redis_exchange(keel_redis_store *s, const keel_bag_op *op,
                                keel_redis_request *q, redisReply **reply,
                                keel_detail *why)
{
    exchange e = begin(s, op, q->writes);
    way w = { .slot = slot_of(s, &q->key) };
    keel_status status;

    *reply = NULL;
    w.node = keel_redis_nodes_of(&s->nodes, w.slot);
    status = ask_on_the_way(&e, &w, q, reply, why);
    keel_redis_nodes_leave(&s->nodes, w.node);
    return status;
}
