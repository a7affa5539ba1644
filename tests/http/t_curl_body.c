/* SPDX-License-Identifier: MIT */
/*
 * A request body that was read and did not leave: libcurl does not count it, and a second
 * attempt would go on where the first had stopped.
 */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"

static const char *const parts[] = { "id=1 ", "id=2 ", "id=3 ", NULL };
static int next_part, attempt;
static int listener;
static curl_socket_t ours, theirs;

static int remember(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
    (void)ctx, (void)purpose;
    ours = fd;
    attempt++;
    return CURL_SOCKOPT_OK;
}

static void hang_up(void)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    struct pollfd gone = { .fd = ours, .events = POLLRDHUP };
    int fd = accept(listener, NULL, NULL);

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
    ck_assert_int_eq(poll(&gone, 1, -1), 1);
}

static void answer(void)
{
    theirs = accept(listener, NULL, NULL);
    ck_assert_int_eq(send(theirs, GOOD, strlen(GOOD), 0), (int)strlen(GOOD));
}

/* The server's part too: gone when the first part is asked for, answers after the last. */
static size_t give(char *bytes, size_t size, size_t count, void *ctx)
{
    (void)size, (void)count, (void)ctx;
    if (attempt == 1 && next_part == 0)
        hang_up();
    if (!parts[next_part]) {
        answer();
        return 0;
    }
    memcpy(bytes, parts[next_part], 5);
    next_part++;
    return 5;
}

static int first_part(void *ctx)
{
    (void)ctx;
    next_part = 0;
    return 0;
}

static struct curl_slist *headers;

/* A body of unknown length, so in chunks; without the wait for "100 Continue". */
static void begin(const char *method)
{
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t size = sizeof at;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&at, size), 0);
    ck_assert_int_eq(listen(listener, 4), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&at, &size), 0);
    curl_client_open(&client, QUICK, ntohs(at.sin_port), "/");
    headers = curl_slist_append(NULL, "Expect:");
    curl_easy_setopt(client.easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(client.easy, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(client.easy, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(client.easy, CURLOPT_SOCKOPTFUNCTION, remember);
    curl_easy_setopt(client.easy, CURLOPT_HTTPHEADER, headers);
}

static void end(void)
{
    curl_client_close(&client);
    curl_slist_free_all(headers);
    close(listener);
}

static const char *const methods[] = { "DELETE", "OPTIONS", "TRACE", "PUT", "GET" };

START_TEST(a_body_that_was_read_is_not_sent_from_its_middle_whatever_the_method)
{
    begin(methods[_i]);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.code, CURLE_SEND_ERROR);
    ck_assert_int_eq(client.why.attempts, 1);
    ck_assert_int_eq(next_part, 1);
    ck_assert_ptr_nonnull(strstr(client.why.text, "its body had been read"));
    end();
}
END_TEST

START_TEST(with_a_rewind_it_is_sent_from_its_beginning)
{
    char request[1024] = "";

    begin("DELETE");
    client.options.body_rewind = first_part;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(client.why.attempts, 2);
    ck_assert_int_gt(recv(theirs, request, sizeof request - 1, 0), 0);
    ck_assert_ptr_nonnull(strstr(request, "\r\n\r\n5\r\nid=1 \r\n5\r\nid=2 "));
    close(theirs);
    end();
}
END_TEST

static const char *const empty[] = { "GET", "DELETE", "OPTIONS" };

START_TEST(where_there_is_no_body_none_was_read)
{
    BEGIN(QUICK, SAY("", FAULT_RESET), SAY(GOOD, FAULT_KEEP));
    curl_easy_setopt(client.easy, CURLOPT_CUSTOMREQUEST, empty[_i]);
    ck_assert_int_eq(curl_client_perform(&client), KEEL_OK);
    ck_assert_int_eq(client.why.attempts, 2);
    END();
}
END_TEST

START_TEST(after_a_redirect_a_body_may_have_been_read)
{
    BEGIN(QUICK,
          SAY("HTTP/1.1 303 See\r\nLocation: /done\r\nContent-Length: 0\r\n\r\n",
              FAULT_KEEP),
          SAY("", FAULT_RESET), SAY("", FAULT_RESET), SAY(GOOD, FAULT_KEEP));
    curl_client_put(&client, "all of it");
    curl_easy_setopt(client.easy, CURLOPT_FOLLOWLOCATION, 1L);
    client.options.safety = KEEL_CURL_IDEMPOTENT;
    client.options.sink_reset = curl_client_reset;
    ck_assert_int_eq(curl_client_perform(&client), KEEL_FAILED);
    ck_assert_int_eq(client.why.attempts, 1);
    END();
}
END_TEST

SUITE("http/curl_body", 60,
      ROWS(a_body_that_was_read_is_not_sent_from_its_middle_whatever_the_method,
           methods),
      ONE(with_a_rewind_it_is_sent_from_its_beginning),
      ROWS(where_there_is_no_body_none_was_read, empty),
      ONE(after_a_redirect_a_body_may_have_been_read))
