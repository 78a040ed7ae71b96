#include "tests/fuzz/fuzz.h"

#include <string.h>

#include "downloads/cache_private.h"
#include "downloads/partial_state.h"

/* No segment that leads out or hides, none too long, nothing unprintable below U+00A0. */
static void check_path(const char *s)
{
    size_t len = strlen(s);
    fuzz_check(len > 0 && len <= 1000 && s[0] != '/' && s[len - 1] != '/', "ends");
    fuzz_check(!strstr(s, "//") && !strchr(s, '\\'), "separators");
    for (const char *at = s; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL) {
        size_t n = strcspn(at, "/");
        fuzz_check(n > 0 && n <= 255, "%d bytes", (int)n);
        fuzz_check(!(n == 1 && at[0] == '.') && !(n == 2 && memcmp(at, "..", 2) == 0), "dots");
    }
    for (size_t i = 0; i < len; i++)
        fuzz_check((uint8_t)s[i] >= 0x20 && s[i] != 0x7f, "byte %02x", (uint8_t)s[i]);
}

static void check_repo(const char *s)
{
    char folder[DL_FOLDER_MAX], back[200];
    check_path(s);
    fuzz_check(dl_folder_of(folder, s) && !strchr(folder, '/') && folder[0] != '.', "%s", folder);
    fuzz_check(dl_repo_of(back, sizeof back, folder) && strcmp(back, s) == 0, "%s", back);
}

/* Any text as each kind of name: what passes is safe as a path, and a folder's name leads back. */
FUZZ_TARGET(names)
{
    char *s = malloc(n + 1), repo[200], oid[65], tag[9];
    bool state;
    dl_name name;
    nb_err err = {.status = NB_OK};
    memcpy(s, bytes, n);
    s[n] = '\0';
    if (dl_path_ok(s, &err) == NB_OK)
        check_path(s);
    else
        fuzz_check(err.status == NB_REFUSED && err.msg[0], "failure without words");
    if (dl_repo_ok(s))
        check_repo(s);
    if (dl_revision_ok(s))
        check_path(s);
    if (dl_commit_ok(s) || dl_oid_ok(s))
        check_path(s);
    if (dl_repo_of(repo, sizeof repo, s))
        check_repo(repo);
    if (dl_partial_name(s, oid, tag, &state)) {
        char data[DL_NAME_MAX], state_name[DL_NAME_MAX];
        dl_partial_names(data, state_name, oid, tag);
        fuzz_check(strcmp(state ? state_name : data, s) == 0, "%s", data);
    }
    if (dl_name_parse(&name, s, &err) == NB_OK) {
        check_repo(name.repo);
        check_path(name.revision);
        fuzz_check(dl_revision_ok(name.revision), "%s", name.revision);
        if (name.tag[0])
            check_path(name.tag);
    }
    free(s);
}
