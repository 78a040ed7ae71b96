/* Servers that answer anything but what was asked (A21): the final name exists only when size and
 * hash are right, and what went wrong is called by its name. All cases run at once, each with a Hub
 * of its own. */
#include "tests/check.h"
#include "tests/transfer.h"
#include "tests/util.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "downloads/http.h"

enum { AT_ONCE = 48 };
static const uint64_t SIZE = 2500000; /* of m.gguf: two segments */

typedef struct server_case {
    const char *name;
    const char *rules;  /* lines */
    dl_trouble trouble; /* DL_OK = it lands */
    const char *says;   /* part of the message, NULL = any */
    const char *path;   /* NULL = "m.gguf" */
    bool ask;           /* size and content id are not told */
} server_case;

static const server_case cases[] = {
    {"nothing wrong", "GET cdn:* #99 status=500", DL_OK, NULL, NULL, false},
    /* ranges */
    {"200 to every range", "GET cdn:* ignore_range", DL_OK, NULL, NULL, false},
    {"200 to the first range", "GET cdn:* #1 ignore_range", DL_OK, NULL, NULL, false},
    {"200 to the second range", "GET cdn:* #2 ignore_range", DL_OK, NULL, NULL, false},
    {"200 to a range, broken", "GET cdn:* ignore_range\nGET cdn:* #1-2 drop_after=1200000", DL_OK,
     NULL, NULL, false},
    {"200 to a range, always broken", "GET cdn:* ignore_range drop_after=1200000", DL_UNREACHABLE,
     "no new byte", NULL, false},
    {"206 from another byte once", "GET cdn:* #1 shift_range=1000", DL_OK, NULL, NULL, false},
    {"206 from another byte always", "GET cdn:* shift_range=1000", DL_OK, NULL, NULL, false},
    {"206 from an earlier byte", "GET cdn:* #2 shift_range=-1000", DL_OK, NULL, NULL, false},
    {"206 without Content-Range once", "GET cdn:* #1 no_content_range", DL_OK, NULL, NULL, false},
    {"206 without Content-Range", "GET cdn:* no_content_range", DL_OK, NULL, NULL, false},
    {"Content-Range is no range", "GET cdn:* header=Content-Range:lots", DL_OK, NULL, NULL, false},
    {"Content-Range of a smaller file", "GET cdn:* header=\"Content-Range:bytes 0-9/10\"",
     DL_WRONG_SIZE, "10 bytes, the Hub lists 2500000", NULL, false},
    {"416 once", "GET cdn:* #1 status=416", DL_OK, NULL, NULL, false},
    {"416 always", "GET cdn:* status=416", DL_BAD_REPLY, "416", NULL, false},
    {"206 shorter than asked once", "GET cdn:* #1 short=100", DL_OK, NULL, NULL, false},
    {"206 shorter than asked always", "GET cdn:* short=100000", DL_WRONG_SIZE, "2400000", NULL,
     false},
    {"bytes too many once", "GET cdn:* #1 extra=100", DL_OK, NULL, NULL, false},
    {"bytes too many always", "GET cdn:* extra=100", DL_WRONG_SIZE, "2500100", NULL, false},
    /* lengths */
    {"another size once", "GET cdn:* #1 bad_len=99", DL_OK, NULL, NULL, false},
    {"another size always", "GET cdn:* bad_len=99", DL_WRONG_SIZE,
     "99 bytes, the Hub lists 2500000", NULL, false},
    {"no length", "GET cdn:* no_length", DL_OK, NULL, NULL, false},
    {"chunks", "GET cdn:* chunked", DL_OK, NULL, NULL, false},
    {"no length, all of it", "GET cdn:* ignore_range no_length", DL_OK, NULL, NULL, false},
    {"no length, cut", "GET cdn:* ignore_range no_length\nGET cdn:* #1 drop_after=2400000", DL_OK,
     NULL, NULL, false},
    {"a small file of another size", "GET *config.json bad_len=7", DL_WRONG_SIZE, NULL,
     "config.json", false},
    {"a body without end", "GET cdn:* ignore_range endless_body", DL_OK, NULL, NULL, false},
    /* encodings */
    {"gzip once", "GET cdn:* #1 gzip", DL_OK, NULL, NULL, false},
    {"gzip always", "GET cdn:* gzip", DL_BAD_REPLY, "compressed", NULL, false},
    {"gzip of a small file", "GET *config.json gzip", DL_BAD_REPLY, "compressed", "config.json",
     false},
    {"br", "GET cdn:* header=Content-Encoding:br", DL_BAD_REPLY, "compressed", NULL, false},
    {"identity", "GET cdn:* header=Content-Encoding:identity", DL_OK, NULL, NULL, false},
    /* identity */
    {"another ETag", "GET * bad_etag", DL_OK, NULL, NULL, false},
    {"another ETag of a small file", "GET * bad_etag", DL_OK, NULL, "config.json", false},
    {"asked: an ETag that is no digest", "HEAD * bad_etag=../../x", DL_BAD_REPLY, "no content id",
     NULL, true},
    {"asked: an ETag of another file", "HEAD hub:* bad_etag", DL_WRONG_HASH, NULL, NULL, true},
    {"asked: no size", "HEAD * header=X-Linked-Size:", DL_BAD_REPLY, "no size", NULL, true},
    {"asked: another commit",
     "HEAD * header=X-Repo-Commit:1111111111111111111111111111111111111111", DL_BAD_REPLY, "commit",
     NULL, true},
    {"asked: no commit", "HEAD * header=X-Repo-Commit:", DL_OK, NULL, NULL, true},
    {"asked: missing", "HEAD * status=404 header=X-Error-Code:EntryNotFound", DL_NO_FILE, NULL,
     NULL, true},
    {"text instead of binary", "GET cdn:* header=Content-Type:text/html", DL_OK, NULL, NULL, false},
    {"a web page of the Hub", "GET hub:* status=200 body=\"<!DOCTYPE html><p>Log in\"",
     DL_NOT_A_HUB, "web page", NULL, false},
    {"a web page of the storage", "GET cdn:* status=200 body=\"<html><p>Log in\"", DL_CDN_REFUSED,
     "web page", NULL, false},
    {"a git-LFS pointer",
     "GET hub:* status=200 body=\"version https://git-lfs.github.com/spec/v1\\n\"", DL_WRONG_SIZE,
     "git-LFS pointer", NULL, false},
    {"nothing at all", "GET cdn:* status=204", DL_BAD_REPLY, "204", NULL, false},
    {"not modified", "GET cdn:* status=304", DL_BAD_REPLY, NULL, NULL, false},
    /* content */
    {"a bit flipped once", "GET cdn:* #1 flip_byte=17", DL_OK, NULL, NULL, false},
    {"a bit flipped in the second segment", "GET cdn:* #2 flip_byte=2400000", DL_OK, NULL, NULL,
     false},
    {"a bit flipped always", "GET cdn:* flip_byte=17", DL_WRONG_HASH, "does not match", NULL,
     false},
    {"a bit flipped in a small file", "GET *config.json flip_byte=3", DL_WRONG_HASH,
     "does not match sha1", "config.json", false},
    {"a bit flipped once in a small file", "GET hub:/api/* #1 flip_byte=3", DL_OK, NULL,
     "config.json", false},
    /* connections */
    {"closed without a byte", "GET cdn:* #1 drop_after=0", DL_OK, NULL, NULL, false},
    {"closed again and again", "GET cdn:* #1-3 drop_after=1", DL_OK, NULL, NULL, false},
    {"reset", "GET cdn:* #1 rst", DL_OK, NULL, NULL, false},
    {"reset in the body", "GET cdn:* #1 rst drop_after=1200000", DL_OK, NULL, NULL, false},
    {"the Hub resets", "GET hub:* #1 rst", DL_OK, NULL, NULL, false},
    {"silent once", "GET cdn:* #1 stall_after=0", DL_OK, NULL, NULL, false},
    {"silent in the body", "GET cdn:* #1 stall_after=70000", DL_OK, NULL, NULL, false},
    {"silent always", "GET cdn:* stall_after=0", DL_STALLED, "nothing", NULL, false},
    {"late", "GET cdn:* #1 delay=1500", DL_OK, NULL, NULL, false},
    {"the Hub is late", "GET hub:* #1 delay=1500", DL_OK, NULL, NULL, false},
    /* statuses */
    {"500 of the storage", "GET cdn:* #1 status=500", DL_OK, NULL, NULL, false},
    {"502 of the Hub", "GET hub:* #1 status=502", DL_OK, NULL, NULL, false},
    {"503 always", "GET cdn:* status=503", DL_SERVER, "503", NULL, false},
    {"408", "GET cdn:* #1 status=408", DL_OK, NULL, NULL, false},
    {"429 of the Hub", "GET hub:* #1 status=429 header=RateLimit: header=Retry-After:1", DL_OK,
     NULL, NULL, false},
    {"429 of the storage", "GET cdn:* #1 status=429 header=Retry-After:1", DL_OK, NULL, NULL,
     false},
    {"401 of the storage at once", "GET cdn:* status=401", DL_CDN_REFUSED, "401", NULL, false},
    {"403 of the storage later", "GET cdn:* #2 status=403", DL_OK, NULL, NULL, false},
    {"410 of the storage later", "GET cdn:* #2 status=410", DL_OK, NULL, NULL, false},
    {"400 of the storage", "GET cdn:* status=400", DL_CDN_REFUSED, "400", NULL, false},
    {"gated, no token", "GET hub:* status=401 header=X-Error-Code:GatedRepo", DL_GATED_LOGIN,
     "gated", NULL, false},
    {"gated, not granted", "GET hub:* status=403 header=X-Error-Code:GatedRepo", DL_GATED_PENDING,
     "gated", NULL, false},
    {"private or none", "GET hub:* status=401 header=X-Error-Code:", DL_PRIVATE_OR_NONE, NULL, NULL,
     false},
    {"no such file", "GET hub:* status=404 header=X-Error-Code:EntryNotFound", DL_NO_FILE, NULL,
     NULL, false},
    {"no such revision", "GET hub:* status=404 header=X-Error-Code:RevisionNotFound",
     DL_NO_REVISION, NULL, NULL, false},
    /* redirects */
    {"a loop", "GET hub:* loop", DL_REDIRECTS, NULL, NULL, false},
    {"a loop of the storage", "GET cdn:* loop", DL_REDIRECTS, NULL, NULL, false},
    {"to another protocol", "GET hub:* redirect=ftp://127.0.0.1/x", DL_BAD_REPLY, NULL, NULL,
     false},
    {"to nowhere", "GET hub:* status=302 header=Location:", DL_BAD_REPLY, NULL, NULL, false},
    {"to a port nobody has", "GET hub:* redirect=http://127.0.0.1:1/x", DL_UNREACHABLE, NULL, NULL,
     false},
    /* heads */
    {"headers without end", "GET cdn:* big_headers=1M", DL_TOO_BIG, NULL, NULL, false},
};

/* A case that never gets a byte ends with the patience. All others end by themselves, however busy
 * the machine: theirs only bounds a test that hangs. */
static int patience_for(const server_case *c)
{
    bool waits =
        c->trouble == DL_UNREACHABLE || c->trouble == DL_STALLED || c->trouble == DL_SERVER;
    return waits ? 2 : 100;
}

static void set_up(rig *r, const server_case *c)
{
    static const char config[] = "{\"architectures\": [\"LlamaForCausalLM\"]}";
    char line[400];
    rig_open(r, 1);
    r->patience = patience_for(c);
    r->ask = c->ask;
    r->revision = "main";
    fake_repo_noise(r->repo, "m.gguf", SIZE, 7);
    fake_repo_text(r->repo, "config.json", config);
    for (const char *at = c->rules; *at; at += strcspn(at, "\n"), at += *at == '\n') {
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        rig_fault(r, line);
    }
    rig_net(r);
}

typedef struct trial {
    rig r;
    const server_case *c;
    pthread_t thread;
} trial;

static const char *path_of(const server_case *c)
{
    return c->path ? c->path : "m.gguf";
}

static void *run(void *ud)
{
    trial *t = ud;
    rig_try(&t->r, path_of(t->c));
    return NULL;
}

static void judge(trial *t)
{
    rig *r = &t->r;
    const server_case *c = t->c;
    check(r->trouble == c->trouble, "%s: \"%s\" (%s), expected %s", c->name, r->err.msg,
          dl_trouble_name(r->trouble), dl_trouble_name(c->trouble));
    check(!c->says || strstr(r->err.msg, c->says), "%s: \"%s\"", c->name, r->err.msg);
    check(!strstr(r->err.msg, "Signature"), "%s: the address is told: %s", c->name, r->err.msg);
    check(r->status == dl_trouble_status(c->trouble), "%s: status %d", c->name, r->status);
    if (c->trouble == DL_OK)
        rig_expect_landed(r, path_of(c));
    else
        rig_expect_nothing(r, path_of(c));
}

CHECK_TEST(transfer_answers, only_right_bytes_get_the_final_name_A21)
{
    static trial trials[AT_ONCE];
    check(countof(cases) >= 60, "%zu cases", countof(cases));
    for (size_t from = 0; from < countof(cases); from += AT_ONCE) {
        size_t n = countof(cases) - from < AT_ONCE ? countof(cases) - from : AT_ONCE;
        for (size_t i = 0; i < n; i++) {
            trials[i].c = &cases[from + i];
            set_up(&trials[i].r, trials[i].c);
        }
        for (size_t i = 0; i < n; i++)
            check(pthread_create(&trials[i].thread, NULL, run, &trials[i]) == 0, "no thread");
        for (size_t i = 0; i < n; i++)
            pthread_join(trials[i].thread, NULL);
        for (size_t i = 0; i < n; i++) {
            rig_close_net(&trials[i].r);
            judge(&trials[i]);
            rig_close(&trials[i].r);
        }
    }
}
