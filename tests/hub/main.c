/* build/tests/fake_hub: the fake Hub as a program, for other clients and hand trials.
 *
 *     fake_hub [--demo] [--gguf-dir DIR] [--seed FILE.json]... [--dir ns/repo=PATH]...
 *              [--token TOKEN]... [--fault LINE]... [--prefix /PATH] [--ports HUB,CDN[,PROXY]]
 *              [--proxy] [--stay] [--digests]
 *
 * Prints one JSON line with the origins once they answer. Standard input takes lines:
 *     fault LINE | clear | expire | log | quit
 * log prints what was asked so far, one JSON line a request, and an empty line. The end of standard
 * input ends the program unless --stay. --digests serves nothing: it prints "sha256 id path" of
 * every file of noise up to 50 GB, for the "sha256" members of a seed. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/json.h"
#include "tests/hub/hub.h"

static int fail(const nb_err *err)
{
    fprintf(stderr, "fake_hub: %s\n", err->msg);
    return 1;
}

/* --- options --------------------------------------------------------------------------------- */
/* Options that take a value and are only understood once the hub stands. */
static const char *const late[] = {"--seed", "--dir", "--token", "--fault", "--gguf-dir"};

static bool parse_ports(const char *text, fake_hub_options *opt)
{
    unsigned port[FAKE_PORTS] = {0};
    int n = sscanf(text, "%u,%u,%u", &port[FAKE_HUB], &port[FAKE_CDN], &port[FAKE_PROXY]);
    for (int i = 0; i < FAKE_PORTS; i++)
        opt->ports[i] = (unsigned short)port[i];
    opt->proxy = opt->proxy || n == FAKE_PORTS;
    return n >= 1 && port[0] < 65536 && port[1] < 65536 && port[2] < 65536;
}

static bool parse(int argc, char **argv, fake_hub_options *opt, bool *stay, bool *digests)
{
    for (int i = 1; i < argc; i++) {
        bool known = strcmp(argv[i], "--demo") == 0;
        for (size_t k = 0; k < countof(late) && !known; k++)
            known = strcmp(argv[i], late[k]) == 0 && ++i < argc;
        if (known)
            continue;
        if (strcmp(argv[i], "--proxy") == 0)
            opt->proxy = true;
        else if (strcmp(argv[i], "--stay") == 0)
            *stay = true;
        else if (strcmp(argv[i], "--digests") == 0)
            *digests = true;
        else if (strcmp(argv[i], "--prefix") == 0 && i + 1 < argc)
            opt->prefix = argv[++i];
        else if (strcmp(argv[i], "--ports") != 0 || i + 1 >= argc || !parse_ports(argv[++i], opt))
            return false;
    }
    return true;
}

/* "ns/repo=PATH" */
static nb_status serve_folder(fake_hub *hub, const char *text, nb_err *err)
{
    char id[256];
    const char *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : 0;
    if (n == 0 || n >= sizeof id)
        return nb_fail(err, NB_USAGE, "--dir %s: expected ns/repo=PATH", text);
    memcpy(id, text, n);
    id[n] = '\0';
    return fake_repo_folder(fake_hub_add(hub, &(fake_repo_info){.id = id}), equals + 1, err);
}

static nb_status fill(fake_hub *hub, int argc, char **argv, nb_err *err)
{
    const char *gguf_dir = NULL;
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], "--gguf-dir") == 0)
            gguf_dir = argv[i + 1];
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--demo") == 0)
            NB_TRY(fake_hub_load(hub, NB_TEST_ROOT "/tests/hub/demo-hub.json", gguf_dir, err));
        else if (strcmp(argv[i], "--seed") == 0)
            NB_TRY(fake_hub_load(hub, value, gguf_dir, err));
        else if (strcmp(argv[i], "--dir") == 0)
            NB_TRY(serve_folder(hub, value, err));
        else if (strcmp(argv[i], "--fault") == 0)
            NB_TRY(fake_hub_fault(hub, value, err));
        else if (strcmp(argv[i], "--token") == 0)
            fake_hub_token(hub, &(fake_token){.token = value});
    }
    return NB_OK;
}

/* --- lines ----------------------------------------------------------------------------------- */
static void member(nb_jout *w, const char *key, const char *value)
{
    nb_jout_key(w, key);
    if (value)
        nb_jout_str(w, value);
    else
        nb_jout_null(w);
}

static void number(nb_jout *w, const char *key, double value)
{
    nb_jout_key(w, key);
    nb_jout_double(w, value);
}

static void print_origins(const fake_hub *hub)
{
    nb_str out = {0};
    nb_jout w = nb_jout_make(&out);
    nb_jout_object(&w);
    member(&w, "hub", fake_hub_origin(hub, FAKE_HUB));
    member(&w, "cdn", fake_hub_origin(hub, FAKE_CDN));
    member(&w, "proxy", fake_hub_origin(hub, FAKE_PROXY));
    number(&w, "pid", getpid());
    nb_jout_object_end(&w);
    printf("%s\n", nb_str_c(&out));
    fflush(stdout);
    nb_str_free(&out);
}

static void print_log(fake_hub *hub)
{
    static const char *const ports[FAKE_PORTS] = {"hub", "cdn", "proxy"};
    fake_request *log;
    size_t n = fake_hub_log(hub, &log);
    for (size_t i = 0; i < n; i++) {
        nb_str out = {0};
        nb_jout w = nb_jout_make(&out);
        nb_jout_object(&w);
        number(&w, "at", (double)(int64_t)(log[i].at * 1e6) / 1e6);
        member(&w, "port", ports[log[i].port]);
        member(&w, "method", log[i].method);
        member(&w, "target", log[i].target);
        member(&w, "name", log[i].name);
        member(&w, "range", log[i].range);
        member(&w, "authorization", log[i].authorization);
        member(&w, "host", log[i].host);
        number(&w, "connection", log[i].connection);
        number(&w, "status", log[i].status);
        number(&w, "offset", (double)log[i].offset);
        number(&w, "body", (double)log[i].body);
        number(&w, "ended", (double)(int64_t)(log[i].ended * 1e6) / 1e6);
        nb_jout_key(&w, "cut");
        nb_jout_bool(&w, log[i].cut);
        nb_jout_object_end(&w);
        printf("%s\n", nb_str_c(&out));
        nb_str_free(&out);
    }
    printf("\n");
    fflush(stdout);
    fake_hub_log_free(log, n);
}

static void print_digests(fake_hub *hub)
{
    char hex[65];
    for (const fake_repo *r = hub->repos; r; r = r->next) {
        const repo_commit *c = repo_resolve(r, "main");
        for (size_t i = 0; i < c->n; i++) {
            content *data = c->file[i].data;
            bool noise = data->fd < 0 && data->head_n < data->size;
            if (!noise || data->size > 50000000000u)
                continue;
            content_true_sha256(data, hex);
            printf("%s %s %s\n", hex, r->id, c->file[i].path);
            fflush(stdout);
        }
    }
}

/* False = quit. */
static bool obey(fake_hub *hub, char *line)
{
    nb_err err;
    line[strcspn(line, "\r\n")] = '\0';
    if (strcmp(line, "quit") == 0)
        return false;
    if (strcmp(line, "log") == 0)
        print_log(hub);
    else if (strcmp(line, "clear") == 0)
        fake_hub_faults_clear(hub);
    else if (strcmp(line, "expire") == 0)
        fake_hub_expire(hub);
    else if (strncmp(line, "fault ", 6) != 0)
        fprintf(stderr, "fake_hub: fault LINE, clear, expire, log or quit\n");
    else if (fake_hub_fault(hub, line + 6, &err) != NB_OK)
        fail(&err);
    return true;
}

int main(int argc, char **argv)
{
    fake_hub_options opt = {0};
    fake_hub *hub = NULL;
    nb_err err = {0};
    char *line = NULL;
    size_t cap = 0;
    bool stay = false, digests = false, on = true;
    if (!parse(argc, argv, &opt, &stay, &digests)) {
        fprintf(stderr,
                "usage: fake_hub [--demo] [--gguf-dir DIR] [--seed FILE.json]... "
                "[--dir ns/repo=PATH]... [--token TOKEN]... [--fault LINE]... "
                "[--prefix /PATH] [--ports HUB,CDN[,PROXY]] [--proxy] [--stay] [--digests]\n");
        return 2;
    }
    if (fake_hub_start(&hub, &opt, &err) != NB_OK || fill(hub, argc, argv, &err) != NB_OK) {
        fake_hub_stop(&hub);
        return fail(&err);
    }
    if (digests)
        print_digests(hub);
    else
        print_origins(hub);
    while (on && !digests && getline(&line, &cap, stdin) > 0)
        on = obey(hub, line);
    while (on && stay && !digests)
        pause();
    free(line);
    fake_hub_stop(&hub);
    return 0;
}
