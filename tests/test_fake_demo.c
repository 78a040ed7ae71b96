/* The demonstration of build/tests/fake_hub --demo, and the seeds it is written in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/files/gguf.h"
#include "tests/check.h"
#include "tests/hub_fixture.h"
#include "tests/util.h"

static fake_hub *demo(void)
{
    fake_hub *hub = fix_start(NULL);
    nb_err err = {0};
    check(fake_hub_load(hub, NB_TEST_ROOT "/tests/hub/demo-hub.json", NULL, &err) == NB_OK, "%s",
          err.msg);
    return hub;
}

CHECK_TEST(fake_demo, every_repository_can_be_looked_at)
{
    fake_hub *hub = demo();
    ask_reply list = fix_get(hub, "/api/models", "hf_demo_granted");
    nb_json *doc = fix_json(&list);
    int n = 0;
    for (const nb_jval *v = nb_jfirst(nb_json_root(doc)); v; v = nb_jnext(v), n++) {
        static const char *const what[] = {"?blobs=true", "/tree/main?recursive=true",
                                           "?expand=gguf&expand=safetensors&expand=cardData"};
        for (size_t i = 0; i < countof(what); i++) {
            char path[256];
            snprintf(path, sizeof path, "/api/models/%s%s", fix_str(v, "id"), what[i]);
            ask_reply r = fix_get(hub, path, "hf_demo_granted");
            if (strcmp(fix_str(v, "id"), "nibble-tests/disabled") == 0) {
                check(r.status == 403, "%s: %d", path, r.status);
            } else {
                nb_json *one = fix_json(&r);
                nb_json_close(&one);
            }
            ask_free(&r);
        }
    }
    check(n == 29, "%d", n); /* without the one that --gguf-dir brings */
    nb_json_close(&doc);
    ask_free(&list);
    list = fix_get(hub, "/api/models?search=private", NULL);
    check(strcmp(list.body, "[]") == 0, "%s", list.body);
    ask_free(&list);
    fake_hub_stop(&hub);
}

/* The first bytes of a file, and its size by Content-Range. */
static ask_reply first_bytes(fake_hub *hub, const char *path, uint64_t *size)
{
    ask_reply r =
        ask_file(ask_url(fake_hub_origin(hub, FAKE_HUB), path), "Range: bytes=0-4194303\r\n");
    const char *total = ask_field(&r, "Content-Range");
    check(r.status == 206 && total, "%s: %d", path, r.status);
    *size = strtoull(strchr(total, '/') + 1, NULL, 10);
    return r;
}

CHECK_TEST(fake_demo, headers_are_those_of_real_files) /* hub 25 */
{
    static const struct {
        const char *path;
        size_t tensors;
    } rows[] = {
        {"/gguf-mill/Tarn-0.6B-GGUF/resolve/main/Tarn-0.6B-Q4_K_M.gguf", 310},
        {"/gguf-mill/Tarn-8B-Instruct-GGUF/resolve/main/Tarn-8B-Instruct-Q4_K_M.gguf", 291},
        {"/gguf-mill/Tarn-70B-Instruct-GGUF/resolve/main/Q4_K_M/"
         "Tarn-70B-Instruct-Q4_K_M-00002-of-00002.gguf",
         362},
    };
    fake_hub *hub = demo();
    for (size_t i = 0; i < countof(rows); i++) {
        uint64_t size;
        ask_reply r = first_bytes(hub, rows[i].path, &size);
        nb_gguf_info info;
        nb_err err = {0};
        check(nb_gguf_parse(&info, (const uint8_t *)r.body, r.n, size, "remote", &err) == NB_OK,
              "%s: %s", rows[i].path, err.msg);
        check(info.n_tensors == rows[i].tensors, "%s: %zu", rows[i].path, info.n_tensors);
        const nb_tensor *last = &info.tensors[info.n_tensors - 1];
        check((last->offset + last->nbytes + 31) / 32 * 32 == size, "%llu of %llu",
              (unsigned long long)(last->offset + last->nbytes), (unsigned long long)size);
        nb_gguf_free(&info);
        ask_free(&r);
    }
    uint64_t size, n = 0;
    ask_reply r = first_bytes(hub, "/tarn-lm/Tarn-0.6B/resolve/main/model.safetensors", &size);
    for (int i = 7; i >= 0; i--)
        n = n << 8 | (uint8_t)r.body[i];
    nb_json *doc = NULL;
    nb_err err = {0};
    check(n < r.n && nb_json_parse(&doc, r.body + 8, n, 16 << 20, "header", &err) == NB_OK, "%s",
          err.msg);
    check(nb_jlen(nb_json_root(doc)) == 310 && size == 8 + n + 2 * 596049920ull, "%llu",
          (unsigned long long)size);
    nb_json_close(&doc);
    ask_free(&r);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_demo, told_digests_are_those_of_the_bytes)
{
    fake_hub *hub = demo();
    char told[65], got[65];
    check(fake_repo_sha256(fake_hub_repo(hub, "gguf-mill/Tarn-135M-Instruct-GGUF"),
                           "Tarn-135M-Instruct-Q2_K.gguf", told),
          "no file");
    ask_reply r = ask_file(ask_url(fake_hub_origin(hub, FAKE_HUB),
                                   "/gguf-mill/Tarn-135M-Instruct-GGUF/resolve/main/"
                                   "Tarn-135M-Instruct-Q2_K.gguf"),
                           NULL);
    check(r.whole && r.n > 50000000, "%zu", r.n);
    test_sha256(r.body, r.n, got);
    check(strcmp(got, told) == 0, "%s: build/tests/fake_hub --demo --digests tells them anew", got);
    ask_free(&r);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_demo, hostile_names_are_served_as_they_are) /* hub 22 */
{
    static const char *const names[][2] = {
        {"..%2Fx.gguf", "../x.gguf"},
        {"%2Fetc%2Fx.gguf", "/etc/x.gguf"},
        {"a%5C..%5Cb.gguf", "a\\..\\b.gguf"},
        {"a//b.gguf", "a//b.gguf"},
        {"%1B%5D0;title%07-Q4_K_M.gguf", "\x1b]0;title\x07-Q4_K_M.gguf"},
        {"%E2%80%AEffug.-Q8_0.gguf", "\xe2\x80\xae"
                                     "ffug.-Q8_0.gguf"},
    };
    fake_hub *hub = demo();
    ask_reply tree =
        fix_get(hub, "/api/models/nibble-tests/hostile/tree/main?recursive=true", NULL);
    nb_json *doc = fix_json(&tree);
    for (size_t i = 0; i < countof(names); i++) {
        char path[256];
        bool listed = false;
        snprintf(path, sizeof path, "/nibble-tests/hostile/resolve/main/%s", names[i][0]);
        ask_reply r = ask_file(ask_url(fake_hub_origin(hub, FAKE_HUB), path), NULL);
        check(r.status == 200 && r.n == 4096, "%s: %d", path, r.status);
        ask_free(&r);
        for (const nb_jval *v = nb_jfirst(nb_json_root(doc)); v; v = nb_jnext(v))
            listed = listed || strcmp(fix_str(v, "path"), names[i][1]) == 0;
        check(listed, "%s", path);
    }
    nb_json_close(&doc);
    ask_free(&tree);
    fake_hub_stop(&hub);
}

CHECK_TEST(fake_demo, seeds_say_what_is_wrong_with_them)
{
    static const char *const rows[][2] = {
        {"{", "seed.json"},
        {"{\"repos\":[{}]}", "no id"},
        {"{\"repos\":[{\"id\":\"a/b\",\"files\":[{}]}]}", "no path"},
        {"{\"repos\":[{\"id\":\"a/b\",\"files\":[{\"path\":\"x\",\"disk\":\"gone\"}]}]}", "gone"},
        {"{\"repos\":[{\"id\":\"a/b\",\"files\":[{\"path\":\"x\",\"model\":{\"shape\":\"y\"}}]}]}",
         "y"},
        {"{\"repos\":[{\"id\":\"a/b\",\"files\":[{\"path\":\"x\",\"model\":"
         "{\"shape\":\"demo\",\"preset\":\"Q9\"}}]}]}",
         "Q9"},
        {"{\"repos\":[{\"id\":\"a/b\",\"folder\":\"nowhere-at-all\"}]}", "nowhere-at-all"},
    };
    const char *path = test_path(test_tmpdir(), "seed.json");
    for (size_t i = 0; i < countof(rows); i++) {
        fake_hub *hub = fix_start(NULL);
        nb_err err = {0};
        test_spit(path, rows[i][0], strlen(rows[i][0]));
        check(fake_hub_load(hub, path, NULL, &err) != NB_OK && strstr(err.msg, rows[i][1]),
              "%s: %s", rows[i][0], err.msg);
        fake_hub_stop(&hub);
    }
}
