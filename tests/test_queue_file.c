/* The queue's file as anybody may have left it (hub 23). */
#include "tests/check.h"
#include "tests/queue_bench.h"
#include "tests/util.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/file.h"

#define GOOD                                                                                       \
    "{\"repo\":\"ns/repo\",\"revision\":\"main\",\"commit\":"                                      \
    "\"1111111111111111111111111111111111111111\",\"path\":\"a.gguf\",\"oid\":"                    \
    "\"2222222222222222222222222222222222222222\",\"size\":5,\"group\":3,\"state\":\"paused\"}"
#define WITH(key, value)                                                                           \
    "{\"format\":1,\"items\":[" GOOD ",{\"state\":\"paused\"," key ":" value "}]}"

static const struct {
    const char *name, *text;
    size_t items;
    bool aside; /* set aside as downloads.bad */
} files[] = {
    {"good", "{\"format\":1,\"items\":[" GOOD "]}", 1, false},
    {"empty", "", 0, true},
    {"torn", "{\"format\":1,\"items\":[" GOOD, 0, true},
    {"zeros", "\0\0\0\0", 0, true},
    {"an array", "[1]", 0, true},
    {"another format", "{\"format\":2,\"items\":[]}", 0, true},
    {"no format", "{\"items\":[" GOOD "]}", 0, true},
    {"items of another kind", "{\"format\":1,\"items\":{\"a\":1}}", 0, false},
    {"items that are none", "{\"format\":1,\"items\":[1,null,\"x\",[],{}," GOOD "]}", 1, false},
    {"a path that leaves",
     "{\"format\":1,\"items\":[{\"repo\":\"ns/repo\",\"commit\":"
     "\"1111111111111111111111111111111111111111\",\"path\":\"../../x\"}]}",
     0, false},
    {"a repository that leaves",
     "{\"format\":1,\"items\":[{\"repo\":\"../x\",\"commit\":"
     "\"1111111111111111111111111111111111111111\",\"path\":\"x\"}]}",
     0, false},
    {"a commit that is a path",
     "{\"format\":1,\"items\":[{\"repo\":\"ns/repo\",\"commit\":\"../../../../etc\",\"path\":"
     "\"x\"}]}",
     0, false},
    {"a revision that leaves",
     "{\"format\":1,\"items\":[{\"repo\":\"ns/repo\",\"revision\":\"../../x\",\"commit\":"
     "\"1111111111111111111111111111111111111111\",\"path\":\"x\"}]}",
     0, false},
    {"an oid that is a path",
     "{\"format\":1,\"items\":[{\"repo\":\"ns/repo\",\"oid\":\"../x\",\"size\":1,\"commit\":"
     "\"1111111111111111111111111111111111111111\",\"path\":\"x\"}]}",
     0, false},
    {"a size beyond all", WITH("\"size\"", "1e308"), 1, false},
    {"a size below zero", WITH("\"size\"", "-5"), 1, false},
    {"a group of text", WITH("\"group\"", "\"x\""), 1, false},
};

static size_t slurped(const char *text, const char *name)
{
    return strcmp(name, "zeros") == 0 ? 4 : strlen(text);
}

CHECK_TEST(queue, hostile_files_are_refused_gently_hub_23)
{
    bench b;
    char file[700], bad[700];
    bench_open(&b);
    rig_net(&b.r);
    check(nb_mkdirs(b.state, &b.r.err) == NB_OK, "%s", b.r.err.msg);
    snprintf(file, sizeof file, "%s/downloads.json", b.state);
    snprintf(bad, sizeof bad, "%s/downloads.bad", b.state);
    for (size_t i = 0; i < countof(files); i++) {
        nb_err err = {0};
        unlink(bad);
        test_spit(file, files[i].text, slurped(files[i].text, files[i].name));
        check(dl_queue_open(&b.q, b.r.net, &b.r.cache, b.state, NULL, NULL, &err) == NB_OK,
              "%s: %s", files[i].name, err.msg);
        check(dl_queue_count(b.q) == files[i].items, "%s: %zu items", files[i].name,
              dl_queue_count(b.q));
        check(nb_exists(bad) == files[i].aside, "%s: %s", files[i].name, err.msg);
        check(!files[i].aside || err.status == NB_FORMAT, "%s: silently", files[i].name);
        if (files[i].items)
            check(bench_item(&b, 0).state == DL_PAUSED && bench_item(&b, 0).size == 5, "%s",
                  files[i].name);
        dl_queue_close(&b.q);
    }
    check(fake_hub_count(b.r.hub, FAKE_PORTS, NULL, NULL) == 0, "something was asked for");
    bench_close(&b);
}
