/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a server of the fleet answers or publishes: no crash, nothing read
 * beyond an answer's end, and no number that somebody would wait for without end.
 */
#include <hiredis/hiredis.h>
#include <string.h>

#include "share/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool so)
{
    if (!so)
        __builtin_trap();
}

static void expect_view(const keel_wire_view *view, const keel_wire_known *known)
{
    expect(view->state <= KEEL_WIRE_UNKNOWN && view->lock <= KEEL_LOCK_OBSERVE);
    expect(keel_wire_epoch_is_plausible(known->epoch, view->epoch));
    expect(view->remaining_ms <= known->most_ms);
}

static void read_sync(const redisReply *reply, size_t count)
{
    const keel_wire_report report = { .epoch = 9, .opening = { .most_ms = 60000 } };
    const keel_wire_report reports[2] = { report, report };
    const keel_wire_known known = { 9, 60000 };
    const keel_wire_sync asked = { .reports = reports, .count = count };
    keel_wire_synced synced;
    keel_wire_view views[2];

    if (!keel_wire_sync_read(reply, &asked, &synced, views) || synced.min_reader > 1)
        return;
    expect(synced.live >= 1 && synced.pace_ms <= 60000);
    for (size_t i = 0; i < count; i++)
        expect_view(&views[i], &known);
}

static void read_round(const redisReply *reply)
{
    static keel_wire_claimed claimed;
    const keel_wire_claim claim = {
        .epoch = 9, .want = 3, .lease_ms = 1000, .most_ms = 60000
    };
    const keel_wire_known known = { 9, 60000 };
    keel_wire_locked locked;
    keel_wire_ended ended;

    if (keel_wire_claim_read(reply, &claim, &claimed)) {
        expect_view(&claimed.view, &known);
        expect(claimed.count <= claim.want && claimed.lease_ms <= claim.lease_ms);
    }
    if (keel_wire_result_read(reply, &known, &ended))
        expect_view(&ended.view, &known);
    if (keel_wire_lock_read(reply, &known, &locked))
        expect_view(&locked.view, &known);
}

static void read_rest(const redisReply *reply)
{
    uint32_t granted, wait_ms;
    keel_wire_look looks[2];
    keel_text names[4];
    keel_wire_page page;
    uint16_t places;
    bool waiting;

    keel_wire_looks_read(reply, looks, 1);
    keel_wire_looks_read(reply, looks, 2);
    keel_wire_names_read(reply, names, 4, &page);
    expect(page.count <= 4);
    keel_wire_rate_read(reply, 10, &granted, &wait_ms);
    expect(granted <= 10 && wait_ms <= 60000);
    keel_wire_places_read(reply, 10, &places, &waiting);
    expect(places <= 10);
}

static void read_message(const uint8_t *data, size_t size)
{
    keel_wire_message message;
    keel_wire_event event;

    if (!keel_wire_message_read((keel_text){ (const char *)data, size }, &message))
        return;
    while (keel_wire_message_next(&message, &event))
        expect(event.name.length > 0 && event.name.length <= KEEL_WIRE_NAME &&
               keel_wire_epoch_is_plausible(0, event.view.epoch));
}

/*
 * hiredis makes room for as many elements as an array says it has. Whoever reads from a
 * socket limits that; here such an answer is left out.
 */
static bool claims_little(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        size_t digits = 0;

        while (data[i] == '*' && i + 1 + digits < size && data[i + 1 + digits] >= '0' &&
               data[i + 1 + digits] <= '9')
            digits++;
        if (digits > 3)
            return false;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    redisReader *reader = redisReaderCreate();
    void *reply = NULL;

    read_message(data, size);
    if (!reader)
        return 0;
    if (claims_little(data, size))
        redisReaderFeed(reader, (const char *)data, size);
    if (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
        read_sync(reply, 0);
        read_sync(reply, 1);
        read_sync(reply, 2);
        read_round(reply);
        read_rest(reply);
        freeReplyObject(reply);
    }
    redisReaderFree(reader);
    return 0;
}
