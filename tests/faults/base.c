/* Scenarios of core/base. */
#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "core/base/config.h"
#include "core/base/digest.h"
#include "core/base/file.h"
#include "core/base/job.h"
#include "core/base/json.h"
#include "tests/faults/faults.h"
#include "tests/util.h"

/* --- JSON, both readers and the writer --- */

static const char document[] =
    "{\"name\": \"x\\u00e9\", \"list\": [1, 2.5, true, null, {\"k\": \"v\"}]}";

static nb_status parse_tree(nb_err *err)
{
    nb_json *doc = NULL;
    const char *name;
    nb_status status = nb_json_parse(&doc, document, sizeof document - 1, 1000, "doc", err);
    fault_check((status == NB_OK) == (doc != NULL), "output without success");
    if (status == NB_OK)
        fault_check(nb_jstr(nb_jget(nb_json_root(doc), "name"), &name) &&
                        !strcmp(name, "x\xc3\xa9") &&
                        nb_jlen(nb_jget(nb_json_root(doc), "list")) == 5,
                    "wrong tree");
    nb_json_close(&doc);
    return status;
}
FAULT_SCENARIO(json_tree, NULL, parse_tree, NULL);

static nb_status pull_and_write(nb_err *err)
{
    nb_jpull p;
    nb_jtoken t;
    nb_str out = {0};
    nb_jout w = nb_jout_make(&out);
    int tokens = 0;
    nb_status status = NB_OK;
    nb_jpull_open(&p, document, sizeof document - 1, "doc", err);
    nb_jout_array(&w);
    while ((t = nb_jpull_next(&p)) != NB_JT_END && t != NB_JT_ERROR) {
        nb_jout_strn(&w, nb_str_c(&p.text), p.text.len);
        tokens++;
    }
    nb_jout_array_end(&w);
    if (t == NB_JT_ERROR)
        status = NB_NOMEM;
    else if (out.failed)
        status = nb_fail(err, NB_NOMEM, "no memory to write");
    else
        fault_check(tokens == 15 && out.at[out.len - 1] == ']', "%d tokens", tokens);
    nb_jpull_close(&p);
    nb_str_free(&out);
    return status;
}
FAULT_SCENARIO(json_pull, NULL, pull_and_write, NULL);

/* --- files: old or new content, no temp file --- */

static const char *folder(void)
{
    return test_path(test_tmpdir(), "faults");
}

static char old_text[] = "threads = 1\n# kept\n";

static void lay_out(void)
{
    fault_check(nb_mkdirs(test_path(folder(), "nibble"), NULL) == NB_OK, "mkdirs");
    test_spit(test_path(folder(), "nibble/config"), old_text, sizeof old_text - 1);
    test_spit(test_path(folder(), "nibble/log"), "one\n", 4);
}

/* Content of nibble/name is a or b, by success; two files in the folder. */
static void content_is(const char *name, nb_status status, const char *before, const char *after_it)
{
    size_t n;
    char path[64];
    snprintf(path, sizeof path, "nibble/%s", name);
    char *text = test_slurp(test_path(folder(), path), &n);
    fault_check(text &&
                    (strcmp(text, after_it) == 0 || (status != NB_OK && strcmp(text, before) == 0)),
                "%s after \"%s\": %s", name, nb_status_text(status), text ? text : "(gone)");
    free(text);
    int names = 0;
    DIR *d = opendir(test_path(folder(), "nibble"));
    for (struct dirent *e; d && (e = readdir(d));)
        names += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    if (d)
        closedir(d);
    fault_check(names == 2, "%d files in the folder", names);
}

static nb_status save_setting(nb_err *err)
{
    nb_config c = {0};
    snprintf(c.config_dir, sizeof c.config_dir, "%s", test_path(folder(), "nibble"));
    nb_status status = nb_config_set(&c, "threads", "4", err);
    fault_check(c.threads == (status == NB_OK ? 4 : 0), "setting and status disagree");
    return status;
}

static void setting_is_whole(nb_status status)
{
    content_is("config", status, old_text, "threads = 4\n# kept\n");
}
FAULT_SCENARIO(config_save, lay_out, save_setting, setting_is_whole);

static nb_status append_record(nb_err *err)
{
    return nb_append_file(test_path(folder(), "nibble/log"), "two, longer\n", 12, err);
}

/* With everything failing from then on even the repair cannot work; what is torn then is the last
 * line, which readers drop. */
static void log_is_whole(nb_status status)
{
    size_t n;
    char *text = test_slurp(test_path(folder(), "nibble/log"), &n);
    fault_check(text && strncmp(text, "one\ntwo, longer\n", n) == 0 && n >= 4, "%s", text);
    fault_check(status != NB_OK || n == 16, "%zu bytes", n);
    free(text);
}
FAULT_SCENARIO(append, lay_out, append_record, log_is_whole);

static nb_status map_and_hash(nb_err *err)
{
    nb_map m = {0};
    char hex[65];
    NB_TRY(nb_map_open(&m, test_path(folder(), "nibble/log"), err));
    nb_status status = nb_sha256_of(m.at, m.len, hex, err);
    fault_check(status != NB_OK ||
                    strncmp(hex, "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585", 48) == 0,
                "%s", hex);
    nb_map_close(&m);
    return status;
}
FAULT_SCENARIO(map, lay_out, map_and_hash, NULL);

/* --- a job with its mailbox --- */

static nb_status say_hello(nb_job *job, void *arg, nb_err *err)
{
    (void)arg;
    (void)err;
    nb_job_post(job, NB_EVENT_TEXT, 0, "hello", 5);
    return NB_OK;
}

static nb_status run_job(nb_err *err)
{
    nb_mailbox *m = NULL;
    nb_job *job = NULL;
    nb_event e = {.kind = NB_EVENT_TEXT};
    NB_TRY(nb_mailbox_open(&m, err));
    nb_status status = nb_job_start(&job, m, "hello", say_hello, NULL, err);
    size_t text = 0;
    while (status == NB_OK && e.kind != NB_EVENT_DONE) {
        if (!nb_mailbox_drain(m, &e))
            usleep(50);
        else if (e.kind == NB_EVENT_TEXT)
            text += e.len;
    }
    fault_check(status != NB_OK || (text == 5 && e.err.status == NB_OK), "%zu bytes", text);
    nb_job_free(&job);
    nb_mailbox_close(&m);
    return status;
}
FAULT_SCENARIO(job, NULL, run_job, NULL);
