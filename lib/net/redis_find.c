/* SPDX-License-Identifier: MIT */
/* Masters found by asking, and asked whether they are. */
#include "net/redis_find.h"

#include <string.h>

#include "base/detail.h"
#include "net/redis_slot.h"

static bool is_array(const redisReply *reply, size_t least)
{
    return reply->type == REDIS_REPLY_ARRAY && reply->elements >= least;
}

static keel_text text_of(const redisReply *reply)
{
    if (reply->type != REDIS_REPLY_STRING)
        return (keel_text){ "", 0 };
    return (keel_text){ reply->str, reply->len };
}

/* False: too long, or no name at all. */
static bool set_name(keel_redis_host *host, keel_text name)
{
    if (!name.length || name.length >= sizeof host->name ||
        memchr(name.at, '\0', name.length))
        return false;
    memcpy(host->name, name.at, name.length);
    host->name[name.length] = '\0';
    return true;
}

static bool set_port(keel_redis_host *host, uint64_t port)
{
    if (!port || port > UINT16_MAX)
        return false;
    host->port = (uint16_t)port;
    return true;
}

static keel_status check_role(keel_redis *r, uint64_t until_ns, keel_detail *why)
{
    const keel_redis_command role = KEEL_REDIS_COMMAND("ROLE");
    char quoted[KEEL_QUOTE_SIZE];
    redisReply *reply;
    keel_status status = keel_redis_ask(r, &role, &reply, until_ns, why);

    if (status != KEEL_OK)
        return status;
    if (reply->type == REDIS_REPLY_ERROR)
        status = keel_failf(why, KEEL_FAILED, "Redis refuses ROLE: %s",
                            keel_quote(quoted, (keel_text){ reply->str, reply->len }));
    else if (!is_array(reply, 1) || !keel_text_is(text_of(reply->element[0]), "master"))
        status = keel_fail(why, KEEL_FAILED, "that Redis is not a master");
    freeReplyObject(reply);
    return status;
}

static keel_status open_master(keel_redis **out, const keel_dialer *dialer,
                               const keel_redis_url *url, const keel_redis_host *at,
                               uint64_t until_ns, keel_detail *why)
{
    keel_status status = keel_redis_open(out, dialer, url, at, until_ns, why);

    if (status != KEEL_OK)
        return status;
    status = check_role(*out, until_ns, why);
    if (status != KEEL_OK) {
        keel_redis_close(*out);
        *out = NULL;
    }
    return status;
}

/* Asks one server one thing, on a connection for that alone. */
static keel_status ask_once(const keel_dialer *dialer, const keel_redis_url *login,
                            const keel_redis_host *at,
                            const keel_redis_command *command, redisReply **reply,
                            uint64_t until_ns, keel_detail *why)
{
    keel_redis *r;
    keel_status status = keel_redis_open(&r, dialer, login, at, until_ns, why);

    if (status == KEEL_OK)
        status = keel_redis_ask(r, command, reply, until_ns, why);
    keel_redis_close(r);
    return status;
}

/* [host, port], both strings; nil where the sentinel does not know the name. */
static bool read_sentinel(keel_redis_host *master, const redisReply *reply)
{
    uint64_t port;

    return is_array(reply, 2) && set_name(master, text_of(reply->element[0])) &&
           keel_parse_count(text_of(reply->element[1]), &port) == KEEL_PARSE_OK &&
           set_port(master, port);
}

static keel_status ask_sentinel(keel_redis_host *master, const keel_dialer *dialer,
                                const keel_redis_url *url, const keel_redis_host *at,
                                uint64_t until_ns, keel_detail *why)
{
    const keel_redis_command command =
        KEEL_REDIS_COMMAND("SENTINEL", "GET-MASTER-ADDR-BY-NAME", url->master);
    redisReply *reply;
    keel_status status = ask_once(dialer, NULL, at, &command, &reply, until_ns, why);

    if (status != KEEL_OK)
        return status;
    if (!read_sentinel(master, reply))
        status = keel_fail(why, KEEL_FAILED, "the sentinel does not know that master");
    freeReplyObject(reply);
    return status;
}

/* One of [from, to, [host, port, …], …]; a node may leave out its own name. */
static bool read_range(keel_redis_host *master, const redisReply *range, uint32_t slot,
                       const keel_redis_host *asked)
{
    const redisReply *node;
    keel_text name;

    if (!is_array(range, 3) || !is_array(range->element[2], 2) ||
        range->element[0]->type != REDIS_REPLY_INTEGER ||
        range->element[1]->type != REDIS_REPLY_INTEGER ||
        range->element[0]->integer > slot || range->element[1]->integer < slot)
        return false;
    node = range->element[2];
    name = text_of(node->element[0]);
    if (!name.length)
        name = keel_text_of(asked->name);
    return node->element[1]->type == REDIS_REPLY_INTEGER && set_name(master, name) &&
           set_port(master, (uint64_t)node->element[1]->integer);
}

static bool read_slots(keel_redis_host *master, const redisReply *reply, uint32_t slot,
                       const keel_redis_host *asked)
{
    for (size_t i = 0; is_array(reply, i + 1); i++)
        if (read_range(master, reply->element[i], slot, asked))
            return true;
    return false;
}

static keel_status ask_node(keel_redis_host *master, const keel_dialer *dialer,
                            const keel_redis_url *url, const keel_redis_host *at,
                            uint32_t slot, uint64_t until_ns, keel_detail *why)
{
    const keel_redis_command command = KEEL_REDIS_COMMAND("CLUSTER", "SLOTS");
    redisReply *reply;
    keel_status status = ask_once(dialer, url, at, &command, &reply, until_ns, why);

    if (status != KEEL_OK)
        return status;
    if (!read_slots(master, reply, slot, at))
        status = keel_failf(why, KEEL_FAILED, "no node of the cluster has slot %u",
                            (unsigned)slot);
    freeReplyObject(reply);
    return status;
}

/* By one sentinel or node of a cluster. */
static keel_status find_by(keel_redis **out, const keel_dialer *dialer,
                           const keel_redis_url *url, const keel_redis_host *at,
                           uint32_t slot, uint64_t until_ns, keel_detail *why)
{
    keel_redis_host master;
    keel_status status = url->kind == KEEL_REDIS_SENTINEL
                             ? ask_sentinel(&master, dialer, url, at, until_ns, why)
                             : ask_node(&master, dialer, url, at, slot, until_ns, why);

    if (status != KEEL_OK)
        return status;
    return open_master(out, dialer, url, &master, until_ns, why);
}

keel_status keel_redis_find(keel_redis **out, const keel_dialer *dialer,
                            const keel_redis_url *url, keel_text key, uint64_t until_ns,
                            keel_detail *why)
{
    keel_status status = KEEL_FAILED;

    *out = NULL;
    if (url->kind == KEEL_REDIS_UNIX)
        return open_master(out, dialer, url, NULL, until_ns, why);
    if (url->kind == KEEL_REDIS_SERVER)
        return open_master(out, dialer, url, &url->hosts[0], until_ns, why);
    for (size_t i = 0; i < url->host_count; i++) {
        status = find_by(out, dialer, url, &url->hosts[i], keel_redis_slot(key),
                         keel_dial_share(until_ns, url->host_count - i), why);
        if (status == KEEL_OK || status == KEEL_CANCELLED)
            break;
    }
    return status;
}

keel_status keel_redis_find_moved(keel_redis **out, const keel_dialer *dialer,
                                  const keel_redis_url *url,
                                  const keel_redis_move *move, const keel_redis *from,
                                  uint64_t until_ns, keel_detail *why)
{
    keel_redis_host to = move->to;

    if (!to.name[0])
        set_name(&to, keel_text_of(keel_redis_at(from)->name));
    return open_master(out, dialer, url, &to, until_ns, why);
}
