/* SPDX-License-Identifier: MIT */
/*
 * Connecting and asking. What has to end early is not left lying: the socket is shut, and
 * the call that waited for it goes on to its own end, which is then a failure that says
 * whether the request had gone out. A socket that is shut is waited for by nobody.
 */
#include "connection.h"

#include <errmsg.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "schema.h"

#define MILLISECOND_NS UINT64_C(1000000)
#define MICROSECOND_NS UINT64_C(1000)
#define SECOND_NS UINT64_C(1000000000)
#define REPLY_MOST_NS (20 * MILLISECOND_NS) /* for the server's word that time is up */
#define STATEMENT_MOST_NS (86400 * SECOND_NS)

enum { CANCEL_LOOK_MS = 10, STACK_SIZE = 256 * 1024 };

/* MariaDB's and MySQL's ways of logging in that send no password as it is. */
#define LOGINS "mysql_native_password,client_ed25519,caching_sha2_password"

/* ---- the library --------------------------------------------------------------------- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_usable;
static pthread_key_t connecting; /* a thread's connection that is being made */

static void init(void)
{
    struct sigaction before;
    bool is_known = sigaction(SIGPIPE, NULL, &before) == 0;

    is_usable = mysql_library_init(0, NULL, NULL) == 0 && mysql_thread_safe() &&
                pthread_key_create(&connecting, NULL) == 0;
    if (is_known)
        sigaction(SIGPIPE, &before, NULL);
}

bool keel_mysql_library_init(void)
{
    return pthread_once(&once, init) == 0 && is_usable;
}

/* ---- waiting ------------------------------------------------------------------------- */

static uint64_t left_ns(const keel_mysql_connection *c)
{
    uint64_t now_ns = keel_now(c->server->runtime);

    return now_ns < c->wait.until_ns ? c->wait.until_ns - now_ns : 0;
}

/* At least one, so that poll is not asked again and again in the last millisecond. */
static int poll_ms(const keel_mysql_connection *c)
{
    uint64_t ms = left_ns(c) / MILLISECOND_NS + 1;
    uint64_t most = c->wait.cancel ? CANCEL_LOOK_MS : 1000;

    return (int)(ms < most ? ms : most);
}

/* What of the wanted happened; 0: nothing in this while. */
static int look(keel_mysql_connection *c, int wanted)
{
    struct pollfd at = { .fd = mysql_get_socket(c->my) };
    int happened = 0;

    if (wanted & MYSQL_WAIT_READ)
        at.events |= POLLIN;
    if (wanted & MYSQL_WAIT_WRITE)
        at.events |= POLLOUT;
    if (poll(&at, 1, poll_ms(c)) <= 0)
        return 0;
    if (at.revents & ~POLLOUT)
        happened |= MYSQL_WAIT_READ;
    if (at.revents & ~POLLIN)
        happened |= MYSQL_WAIT_WRITE;
    return happened & wanted;
}

static int give_up(keel_mysql_connection *c)
{
    shutdown(mysql_get_socket(c->my), SHUT_RDWR);
    c->is_given_up = true;
    return MYSQL_WAIT_TIMEOUT;
}

/* For what libmariadb's calls return while they are not done. */
static int await(keel_mysql_connection *c, int wanted)
{
    int happened = 0;

    while (!happened && !c->is_given_up && !keel_mysql_wait_is_over(&c->wait))
        happened = look(c, wanted);
    return happened ? happened : give_up(c);
}

/*
 * libmariadb shakes hands for TLS without returning from its call when it has to wait, and
 * asks this instead; also when it says good-bye, which nothing waits for. Whose connection
 * it is it does not say.
 */
static int wait_inside(my_socket fd, my_bool is_read, int timeout)
{
    keel_mysql_connection *c = pthread_getspecific(connecting);
    int wanted = is_read ? MYSQL_WAIT_READ : MYSQL_WAIT_WRITE;

    (void)fd;
    (void)timeout;
    return c && await(c, wanted) != MYSQL_WAIT_TIMEOUT;
}

/* ---- asking -------------------------------------------------------------------------- */

/* What libmariadb says last, kept as it is gone with the connection. */
static int note(keel_mysql_connection *c)
{
    int code = (int)mysql_errno(c->my);

    snprintf(c->words, sizeof c->words, "%s", mysql_error(c->my));
    return code ? code : CR_UNKNOWN_ERROR;
}

static int fetch(keel_mysql_connection *c, MYSQL_RES **rows)
{
    int wanted = mysql_store_result_start(rows, c->my);

    while (wanted)
        wanted = mysql_store_result_cont(rows, c->my, await(c, wanted));
    return *rows ? 0 : note(c);
}

static int ask(keel_mysql_connection *c)
{
    int failed = 0;
    int wanted = mysql_real_query_start(&failed, c->my, c->statement.text,
                                        (unsigned long)c->statement.length);

    while (wanted)
        wanted = mysql_real_query_cont(&failed, c->my, await(c, wanted));
    return failed ? note(c) : 0;
}

int keel_mysql_connection_run(keel_mysql_connection *c, unsigned columns,
                              MYSQL_RES **rows)
{
    int code;

    *rows = NULL;
    if (c->statement.is_short)
        return KEEL_MYSQL_NO_MEMORY;
    if (c->packet_max && c->statement.length + 1 >= c->packet_max)
        return KEEL_MYSQL_TOO_LARGE;
    if (keel_mysql_wait_is_over(&c->wait))
        return KEEL_MYSQL_OVER;
    code = ask(c);
    if (!code && mysql_field_count(c->my) != columns)
        code = CR_MALFORMED_PACKET; /* the answer to something else */
    if (!code && columns)
        code = fetch(c, rows);
    return code;
}

/* A tenth of the time is the answer's, which the server needs to say that time was up. */
void keel_mysql_connection_begin_statement(keel_mysql_connection *c)
{
    uint64_t left = left_ns(c) < STATEMENT_MOST_NS ? left_ns(c) : STATEMENT_MOST_NS;
    uint64_t reply = left / 10 < REPLY_MOST_NS ? left / 10 : REPLY_MOST_NS;

    keel_mysql_statement_clear(&c->statement);
    if (left - reply >= MICROSECOND_NS && mariadb_connection(c->my))
        keel_mysql_statement_add_limit(&c->statement, left - reply);
}

/* ---- closing ------------------------------------------------------------------------- */

void keel_mysql_connection_close(keel_mysql_connection *c, bool is_clean)
{
    if (!c->my)
        return;
    if (!is_clean)
        shutdown(mysql_get_socket(c->my), SHUT_RDWR);
    mysql_close(c->my);
    c->my = NULL;
    c->packet_max = 0;
    c->writes = 0;
}

void keel_mysql_connection_cleanup(keel_mysql_connection *c)
{
    keel_mysql_connection_close(c, true);
    keel_mysql_statement_cleanup(&c->statement);
}

/* ---- connecting ---------------------------------------------------------------------- */

static void set_tls(const keel_mysql_connection *c)
{
    const my_bool yes = 1;

    mysql_options(c->my, MYSQL_OPT_SSL_ENFORCE, &yes);
    mysql_options(c->my, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
    if (c->server->tls_ca)
        mysql_options(c->my, MYSQL_OPT_SSL_CA, c->server->tls_ca);
}

static unsigned int whole_seconds(uint64_t ns)
{
    return (unsigned int)(ns / SECOND_NS + (ns % SECOND_NS != 0));
}

/*
 * The server is not to ask for files of this host. The time-out counts where libmariadb
 * comes to a TLS handshake without having had to wait before: there it waits by itself.
 * False: no memory.
 */
static bool make(keel_mysql_connection *c)
{
    const size_t stack = STACK_SIZE;
    const unsigned int no = 0, seconds = whole_seconds(left_ns(c));
    const unsigned int way =
        *c->server->host ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET;

    c->my = mysql_init(NULL);
    if (!c->my || mysql_options(c->my, MYSQL_OPT_NONBLOCK, &stack))
        return false;
    mysql_options(c->my, MYSQL_OPT_LOCAL_INFILE, &no);
    mysql_options(c->my, MYSQL_OPT_PROTOCOL, &way);
    mysql_options(c->my, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
    mysql_options(c->my, MARIADB_OPT_IO_WAIT, (const void *)wait_inside);
    mysql_options(c->my, MYSQL_SET_CHARSET_NAME, "binary");
    mysql_options(c->my, MARIADB_OPT_RESTRICTED_AUTH, LOGINS);
    if (c->server->has_tls)
        set_tls(c);
    return true;
}

/* From here on it says that it would wait. */
static void set_free(const keel_mysql_connection *c)
{
    int fd = mysql_get_socket(c->my);

    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static int log_in(keel_mysql_connection *c, const char *address)
{
    const keel_mysql_server *s = c->server;
    const char *socket_path = *s->host ? NULL : s->socket;
    const char *host = !*s->host ? NULL : s->has_tls ? s->host : address;
    MYSQL *done = NULL;
    int wanted;

    if (!make(c))
        return KEEL_MYSQL_NO_MEMORY;
    wanted = mysql_real_connect_start(&done, c->my, host, s->user, s->password,
                                      s->database, s->port, socket_path, 0);
    pthread_setspecific(connecting, c);
    while (wanted) {
        set_free(c);
        wanted = mysql_real_connect_cont(&done, c->my, await(c, wanted));
    }
    pthread_setspecific(connecting, NULL);
    if (!done)
        return note(c);
    set_free(c);
    return 0;
}

/* One after the other; none may take the time of those after it. */
static int try_all(keel_mysql_connection *c, const keel_mysql_addresses *all)
{
    uint64_t until_ns = c->wait.until_ns;
    int code = KEEL_MYSQL_OVER;

    for (size_t i = 0; i < all->count && code; i++) {
        keel_mysql_connection_close(c, false);
        c->wait.until_ns = until_ns;
        c->is_given_up = false;
        c->wait.until_ns =
            until_ns - left_ns(c) / (all->count - i) * (all->count - i - 1);
        code = log_in(c, all->at[i]);
    }
    c->wait.until_ns = until_ns;
    return code;
}

/* A certificate is made out to a name: to try its addresses is libmariadb's then. */
static int look_up(keel_mysql_connection *c, keel_mysql_addresses *found)
{
    const char *host = c->server->host;
    int code = *host ? keel_mysql_lookup(host, &c->wait, found) : 0;

    if (!*host || c->server->has_tls)
        found->count = 1;
    if (!code)
        return 0;
    c->is_given_up = code == EAI_INPROGRESS;
    snprintf(c->words, sizeof c->words, "%.100s is not found: %s", host,
             gai_strerror(code));
    return CR_UNKNOWN_HOST;
}

static int connect_in_time(keel_mysql_connection *c)
{
    keel_mysql_addresses found = { .count = 0 };
    int code = look_up(c, &found);

    if (!code)
        code = try_all(c, &found);
    return code ? code : keel_mysql_schema_begin(c);
}

static int make_connection(keel_mysql_connection *c)
{
    uint64_t until_ns = c->wait.until_ns;
    uint64_t most_ns = keel_now(c->server->runtime) + c->server->connect_ns;
    int code;

    if (keel_mysql_wait_is_over(&c->wait))
        return KEEL_MYSQL_OVER;
    if (most_ns < until_ns)
        c->wait.until_ns = most_ns;
    code = connect_in_time(c);
    c->wait.until_ns = until_ns;
    if (code == KEEL_MYSQL_OVER) /* between two of its steps */
        c->is_given_up = true;
    if (code)
        keel_mysql_connection_close(c, false);
    return code;
}

/* Nobody was asked anything: what can be read is that the server has ended it. */
static bool is_ended(const keel_mysql_connection *c)
{
    struct pollfd at = { .fd = mysql_get_socket(c->my), .events = POLLIN };

    return poll(&at, 1, 0) != 0;
}

int keel_mysql_connection_begin(keel_mysql_connection *c, uint64_t until_ns,
                                const keel_cancel *cancel)
{
    uint64_t now_ns = keel_now(c->server->runtime);
    bool is_old = now_ns - c->used_at_ns > c->server->idle_ns;

    c->wait = (keel_mysql_wait){ c->server->runtime, until_ns, cancel };
    c->is_given_up = false;
    c->used_at_ns = now_ns;
    if (c->my && (is_old || is_ended(c)))
        keel_mysql_connection_close(c, is_old);
    return c->my ? 0 : make_connection(c);
}
