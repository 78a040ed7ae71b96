/* Scenarios of the cache: landing a file, going on with one, keeping house (A11, A13). Whatever
 * fails, no other client finds a broken cache: a blob is what its name says, a link leads to one, a
 * ref has its snapshot. */
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/files/library.h"
#include "downloads/cache.h"
#include "downloads/partial.h"
#include "tests/faults/faults.h"
#include "tests/tree.h"
#include "tests/util.h"

static const char repo[] = "org/repo", commit[] = "5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e5e1c0f1e";
enum { SIZE = DL_SEGMENT + 3000 };

static dl_cache cache;
static uint8_t bytes[SIZE], buf[DL_SEGMENT];
static char oid[65];

static const char *entry_path(void)
{
    static char path[1300];
    snprintf(path, sizeof path, "%s/models--org--repo/snapshots/%s/sub/w.bin", cache.hub, commit);
    return path;
}

static const char *below(const char *name)
{
    static char path[1300];
    snprintf(path, sizeof path, "%s/models--org--repo/%s", cache.hub, name);
    return path;
}

static void start_empty(void)
{
    nb_err err = {0};
    if (!oid[0]) {
        for (size_t i = 0; i < SIZE; i++)
            bytes[i] = (uint8_t)(i * 7 % 251);
        fault_check(nb_sha256_of(bytes, SIZE, oid, &err) == NB_OK, "%s", err.msg);
        snprintf(cache.hub, sizeof cache.hub, "%s", test_path(tree_scratch(), "fault/hub"));
        snprintf(cache.trash, sizeof cache.trash, "%s", test_path(tree_scratch(), "fault/trash"));
    }
    tree_remove(test_path(tree_scratch(), "fault"));
    fault_check(nb_mkdirs(cache.hub, &err) == NB_OK, "%s", err.msg);
}

static void check_sound(void)
{
    struct stat st;
    char path[1400], got[65];
    snprintf(path, sizeof path, "%s/%s", below("blobs"), oid);
    if (lstat(path, &st) == 0) {
        size_t n;
        char *text = test_slurp(path, &n);
        fault_check(n == SIZE && nb_sha256_of(text, n, got, NULL) == NB_OK && strcmp(got, oid) == 0,
                    "a blob of other bytes");
        free(text);
    }
    fault_check(lstat(entry_path(), &st) != 0 || stat(entry_path(), &st) == 0, "a dangling link");
    if (stat(below("refs/main"), &st) == 0) {
        fault_check(st.st_size == 40, "a ref of %d bytes", (int)st.st_size);
        char snapshot[80];
        snprintf(snapshot, sizeof snapshot, "snapshots/%s", commit);
        fault_check(nb_is_dir(below(snapshot)), "a ref of nothing");
    }
}

static nb_status fetch(dl_partial *p, uint32_t i, nb_err *err)
{
    uint64_t len, at = dl_partial_segment_at(p, i, &len);
    for (uint64_t done = 0; done < len; done += 1 << 20) {
        size_t n = len - done < 1 << 20 ? (size_t)(len - done) : 1 << 20;
        NB_TRY(dl_partial_write(p, i, at + done, bytes + at + done, n, err));
    }
    return NB_OK;
}

static nb_status land(nb_err *err)
{
    dl_partial *p = NULL;
    dl_lock lock = {.fd = -1};
    NB_TRY(dl_cache_prepare(&cache, repo, commit, err));
    NB_TRY(dl_cache_lock(&cache, repo, oid, &lock, err));
    nb_status st = dl_partial_open(&p, &cache, repo, oid, SIZE, commit, err);
    fault_check((st == NB_OK) == (p != NULL), "output without success");
    for (uint32_t i = 0; st == NB_OK && i < 2; i++)
        st = fetch(p, i, err);
    if (st == NB_OK)
        st = dl_partial_publish(&p, &cache, repo, err);
    dl_partial_close(&p);
    if (st == NB_OK)
        st = dl_cache_link(&cache, repo, commit, "sub/w.bin", oid, err);
    if (st == NB_OK)
        st = dl_cache_ref(&cache, repo, "main", commit, err);
    dl_cache_unlock(&lock);
    return st;
}

static void after_landing(nb_status status)
{
    char found[1300];
    check_sound();
    fault_check(status != NB_OK ||
                    dl_cache_find(&cache, repo, commit, "sub/w.bin", SIZE, found, sizeof found),
                "landed but not found");
    nb_err err = {0};
    fault_check(land(&err) == NB_OK, "and then: %s", err.msg); /* goes on from what is left */
    check_sound();
    fault_check(dl_cache_find(&cache, repo, commit, "sub/w.bin", SIZE, found, sizeof found),
                "found");
}
FAULT_SCENARIO(cache_land, start_empty, land, after_landing);

/* --- half a file of an earlier run -------------------------------------------------------------
 */

static void start_half(void)
{
    dl_partial *p = NULL;
    nb_err err = {0};
    start_empty();
    fault_check(dl_cache_prepare(&cache, repo, commit, &err) == NB_OK &&
                    dl_partial_open(&p, &cache, repo, oid, SIZE, commit, &err) == NB_OK &&
                    fetch(p, 0, &err) == NB_OK,
                "%s", err.msg);
    dl_partial_close(&p);
}

static nb_status go_on(nb_err *err)
{
    dl_partial *p = NULL;
    bool ok = false;
    NB_TRY(dl_partial_open(&p, &cache, repo, oid, SIZE, commit, err));
    nb_status st = NB_OK;
    if (dl_partial_state(p, 0) == DL_SEG_RECORDED)
        st = dl_partial_check(p, 0, buf, &ok, err);
    fault_check(!ok || memcmp(buf, bytes, DL_SEGMENT) == 0, "wrong bytes passed");
    if (st == NB_OK && !ok)
        st = fetch(p, 0, err);
    if (st == NB_OK)
        st = fetch(p, 1, err);
    if (st == NB_OK)
        st = dl_partial_again(p, 1, err);
    if (st == NB_OK)
        st = fetch(p, 1, err);
    if (st == NB_OK)
        st = dl_partial_publish(&p, &cache, repo, err);
    dl_partial_close(&p);
    return st;
}

static void after_going_on(nb_status status)
{
    nb_err err = {0};
    check_sound();
    fault_check(status != NB_OK || dl_cache_has_blob(&cache, repo, oid, SIZE), "no blob");
    fault_check(go_on(&err) == NB_OK, "and then: %s", err.msg);
    check_sound();
}
FAULT_SCENARIO(partial_resume, start_half, go_on, after_going_on);

/* --- keeping house -----------------------------------------------------------------------------
 */

static void start_whole(void)
{
    nb_err err = {0};
    start_half();
    fault_check(land(&err) == NB_OK, "%s", err.msg);
}

static void count(void *arg, const char *name, const char *id, const char *path, uint64_t size,
                  nb_status status, const nb_err *why)
{
    (void)name, (void)id, (void)path, (void)size;
    fault_check(status == NB_OK || why->msg[0], "no words");
    fault_check(status != NB_HASH, "%s", why->msg);
    ++*(size_t *)arg;
}

static nb_status look(nb_err *err)
{
    dl_store s;
    size_t n = 0;
    NB_TRY(dl_store_scan(&cache, &s, NULL, err));
    dl_store_free(&s);
    return dl_store_verify(&cache, NULL, count, &n, NULL, err);
}

static void nothing_changed(nb_status status)
{
    char found[1300];
    (void)status;
    fault_check(dl_cache_find(&cache, repo, commit, "sub/w.bin", SIZE, found, sizeof found),
                "looking changed something");
}
FAULT_SCENARIO(store_look, start_whole, look, nothing_changed);

static nb_status there_and_back(nb_err *err)
{
    char what[300];
    uint64_t freed;
    NB_TRY(dl_store_trash(&cache, repo, NULL, "sub/w.bin", false, &freed, err));
    return dl_store_restore(&cache, what, sizeof what, err);
}

static void nothing_lost(nb_status status)
{
    char found[1300], what[300];
    nb_err err = {0};
    check_sound();
    if (status != NB_OK && !nb_exists(entry_path())) /* in the trash, whole or in part */
        fault_check(dl_store_restore(&cache, what, sizeof what, &err) == NB_OK, "%s", err.msg);
    fault_check(dl_cache_find(&cache, repo, commit, "sub/w.bin", SIZE, found, sizeof found),
                "lost between cache and trash");
}
FAULT_SCENARIO(store_trash, start_whole, there_and_back, nothing_lost);

static nb_status empty(nb_err *err)
{
    uint64_t freed;
    size_t n;
    NB_TRY(dl_store_trash(&cache, repo, NULL, NULL, false, &freed, err));
    return dl_store_gc(&cache, 0, false, &freed, &n, NULL, err);
}

static void gone_or_sound(nb_status status)
{
    check_sound();
    fault_check(status != NB_OK || !nb_exists(below("")), "still there");
}
FAULT_SCENARIO(store_gc, start_whole, empty, gone_or_sound);

/* --- another program's store ---------------------------------------------------------------------
 */

static nb_config ollama;

static void lay_out_ollama(void)
{
    char path[1300], text[300];
    snprintf(ollama.ollama, sizeof ollama.ollama, "%s", test_path(tree_scratch(), "ollama"));
    snprintf(path, sizeof path, "%s/manifests/registry.ollama.ai/library/tale", ollama.ollama);
    nb_mkdirs(path, NULL);
    snprintf(text, sizeof text,
             "{\"layers\":[{\"mediaType\":\"application/vnd.ollama.image.model\","
             "\"digest\":\"sha256:%064d\"}]}",
             7);
    test_spit(test_path(path, "latest"), text, strlen(text));
    snprintf(path, sizeof path, "%s/blobs", ollama.ollama);
    nb_mkdirs(path, NULL);
    snprintf(path, sizeof path, "%s/blobs/sha256-%064d", ollama.ollama, 7);
    test_spit(path, "GGUF", 4);
}

static nb_status list_ollama(nb_err *err)
{
    nb_library *lib = NULL;
    NB_TRY(nb_library_scan(&lib, &ollama, NULL, 0, NULL, err));
    nb_library_close(&lib);
    char path[1300];
    return nb_library_resolve(&ollama, "ollama:tale", path, sizeof path, err);
}
FAULT_SCENARIO(ollama_list, lay_out_ollama, list_ollama, NULL);
