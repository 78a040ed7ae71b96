/* kill -9 in the middle, then the same again: what was there before is neither fetched, nor
 * computed, nor asked anew, in lines and on the screens (tui 13). Downloads on the screens:
 * tests/pty/hub.c. */
#include "tests/check.h"
#include "tests/pull.h"
#include "tests/util.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/json.h"
#include "core/quant/journal.h"
#include "tui/transcript.h"

enum { NAME_MOST = 1100, MIB = 1 << 20, WHOLE = 12, TOKENS = 12 };

typedef struct place {
    char home[512], env[560], models[NAME_MOST], chat[NAME_MOST], journal[NAME_MOST + 64];
} place;

static place fresh(const char *name)
{
    place p;
    nb_err err;
    snprintf(p.home, sizeof p.home, "%s", test_path(test_tmpdir(), name));
    snprintf(p.env, sizeof p.env, "HOME=%s", p.home);
    snprintf(p.models, sizeof p.models, "%s/.local/share/nibble/models", p.home);
    snprintf(p.chat, sizeof p.chat, "%s/.local/share/nibble/chats/chat-0001.jsonl", p.home);
    snprintf(p.journal, sizeof p.journal, "%s/Nibble-Demo-Q2_K.gguf.part.journal", p.models);
    check(nb_mkdirs(p.home, &err) == NB_OK, "%s", err.msg);
    return p;
}

/* Types lines into --plain, or plays them as a script. Scalar kernels where it is to be killed:
 * time enough for that. */
static child run(const place *p, bool plain, const char *lines, child_how how)
{
    const char *in = test_path(p->home, plain ? "typed" : "script");
    size_t n = 0;
    test_spit(in, lines, strlen(lines));
    how.args[n++] = "demo";
    how.args[n++] = plain ? "--plain" : "--script";
    how.args[n] = plain ? NULL : in;
    how.in = plain ? in : NULL;
    how.dir = p->home;
    how.env[0] = p->env;
    how.env[1] = how.kill_when ? "NIBBLE_CPU=scalar" : NULL;
    return child_run(&how);
}

static child run_killed(const place *p, bool plain, const char *lines, bool (*when)(void *arg))
{
    place at = *p;
    return run(p, plain, lines,
               (child_how){.kill_when = when, .kill_arg = &at, .may_die = true, .seconds = 120});
}

/* --- a quantize --------------------------------------------------------------------------------
 */

/* Records of whole tensors in the journal. */
static size_t whole_tensors(const char *journal)
{
    size_t n, count = 0;
    char *bytes = test_slurp(journal, &n), id[NB_JOURNAL_ID + 1];
    nb_journal_record r;
    nb_cursor c = nb_cursor_make(bytes, bytes ? n : 0);
    if (bytes && nb_journal_head(&c, id))
        while (nb_journal_next(&c, &r))
            count++;
    free(bytes);
    return count;
}

static bool some_tensors(void *arg)
{
    return whole_tensors(((place *)arg)->journal) >= WHOLE;
}

/* The file a run from the beginning writes. */
static void check_file(const place *p, const char *fresh_lines, bool plain)
{
    place other = fresh("killed-never");
    size_t n, m;
    child c = run(&other, plain, fresh_lines, (child_how){.seconds = 120});
    check(c.code == 0, "%d: %s%s", c.code, c.out, c.err);
    child_free(&c);
    char *got = test_slurp(test_path(p->models, "Nibble-Demo-Q2_K.gguf"), &n);
    char *want = test_slurp(test_path(other.models, "Nibble-Demo-Q2_K.gguf"), &m);
    check(got && want && n == m && memcmp(got, want, n) == 0, "another file");
    free(got);
    free(want);
}

CHECK_TEST(killed, tui_13_a_quantize_in_lines_keeps_every_whole_tensor)
{
    static const char steps[] = "13\n"; /* starts */
    place p = fresh("killed-lines");
    unsigned kept = 0, of = 0;
    child c = run_killed(&p, true, steps, some_tensors);
    check(c.code == 1009, "it ended before: %d\n%s", c.code, c.out);
    child_free(&c);
    size_t before = whole_tensors(p.journal);
    check(before >= WHOLE, "%zu tensors were whole", before);
    c = run(&p, true, steps, (child_how){.seconds = 120});
    const char *at = strstr(c.out, " tensors were whole since an earlier run");
    while (at && at > c.out && at[-1] != '\n')
        at--;
    check(c.code == 0 && at && sscanf(at, "%u of %u", &kept, &of) == 2, "%d: %s%s", c.code, c.out,
          c.err);
    check(kept == before && of > kept, "%u kept, %zu were whole", kept, before);
    check(!nb_exists(p.journal), "%s is left", p.journal);
    child_free(&c);
    check_file(&p, steps, true);
}

CHECK_TEST(killed, tui_13_a_quantize_on_screen_keeps_every_whole_tensor)
{
    static const char steps[] =
        "size 120x40\nwait\nkeys 3\nwait\nkeys C-r\nwait\nsave-json run.json\n";
    place p = fresh("killed-screen");
    char path[NAME_MOST + 64];
    child c = run_killed(&p, false, steps, some_tensors);
    check(c.code == 1009, "it ended before: %d\n%s", c.code, c.err);
    child_free(&c);
    size_t before = whole_tensors(p.journal), n;
    check(before >= WHOLE, "%zu tensors were whole", before);
    c = run(&p, false, steps, (child_how){.seconds = 120});
    check(c.code == 0, "%d: %s", c.code, c.err);
    child_free(&c);
    snprintf(path, sizeof path, "%s/run.json", p.home);
    char *text = test_slurp(path, &n);
    nb_json *doc = NULL;
    nb_err err = {0};
    int64_t kept = -1;
    check(text && nb_json_parse(&doc, text, n, 1 << 24, "run", &err) == NB_OK, "%s", err.msg);
    nb_jint(nb_jget(nb_json_root(doc), "kept"), &kept);
    check(kept == (int64_t)before, "%" PRId64 " kept, %zu were whole", kept, before);
    nb_json_close(&doc);
    free(text);
    check_file(&p, steps, false);
}

/* --- an answer ---------------------------------------------------------------------------------
 */

/* Tokens in the chat's file; *text (may be NULL): what they say. */
static size_t tokens_kept(const char *chat, nb_str *text)
{
    ui_transcript *t = NULL;
    if (ui_transcript_read(&t, chat, NULL, NULL) != NB_OK)
        return 0;
    const ui_message *m = ui_transcript_at(t, ui_transcript_leaf(t, 0));
    size_t n = m ? m->n_token : 0;
    if (text && m)
        nb_str_addn(text, nb_str_c(&m->text), m->text.len);
    ui_transcript_close(&t);
    return n;
}

static bool some_tokens(void *arg)
{
    return tokens_kept(((place *)arg)->chat, NULL) >= TOKENS;
}

static const char whole_answer[] =
    "Q4_K stores 256 weights in a super block of eight blocks. Each block of 32 has a 6 bit scale "
    "and a 6 bit minimum. It costs 4.5 bits per weight and is the usual choice.";

/* What the file has is a beginning of the answer, at least as much as was there when it was killed.
 */
static nb_str beginning(const place *p)
{
    nb_str text = {0};
    size_t n = tokens_kept(p->chat, &text);
    check(n >= TOKENS && text.len < strlen(whole_answer) &&
              strncmp(whole_answer, nb_str_c(&text), text.len) == 0,
          "%zu tokens: %s", n, nb_str_c(&text));
    return text;
}

CHECK_TEST(killed, tui_13_an_answer_in_lines_keeps_every_token)
{
    place p = fresh("killed-answer");
    char line[512];
    child c = run_killed(&p, true, "0\n3\n1\nWhat is Q4_K?\n", some_tokens);
    check(c.code == 1009, "it ended before: %d\n%s", c.code, c.out);
    child_free(&c);
    nb_str text = beginning(&p);
    c = run(&p, true, "0\n3\n\n1\n", (child_how){.seconds = 120});
    snprintf(line, sizeof line, "A, assistant: %s (interrupted)", nb_str_c(&text));
    check(c.code == 0 && strstr(c.out, "A, user: What is Q4_K?") && strstr(c.out, line),
          "\"%s\" is not said: %d\n%s", line, c.code, c.out);
    check(strstr(c.out, whole_answer), "1 does not answer again:\n%s", c.out);
    nb_str_free(&text);
    child_free(&c);
}

/* --- a download --------------------------------------------------------------------------------
 */

enum { SIZE = 32 * MIB, SEGMENTS = SIZE / RIG_SEGMENT, REFETCH = 8 * MIB };

static bool most_of_it(void *arg)
{
    return rig_served(arg, "m.gguf") >= SIZE / 2;
}

static child download(rig *r, const place *p, child_how how)
{
    pull_env env = pull_place(r);
    const char *in = test_path(p->home, "typed");
    static const char lines[] = "4\nns/repo:m.gguf\n0\n";
    test_spit(in, lines, strlen(lines));
    how.args[0] = "--plain";
    how.in = in;
    how.dir = p->home;
    how.env[0] = p->env;
    how.env[1] = env.endpoint;
    how.env[2] = env.home;
    how.env[3] = env.timeout;
    how.env[4] = env.kept;
    return child_run(&how);
}

CHECK_TEST(killed, tui_13_a_download_in_lines_fetches_little_again)
{
    rig r;
    bool held[SEGMENTS];
    place p = fresh("killed-download");
    size_t kept = 0;
    rig_open(&r, 5);
    fake_repo_noise(r.repo, "m.gguf", SIZE, 7);
    rig_fault(&r, "GET cdn:*m.gguf rate=16M");
    child c =
        download(&r, &p, (child_how){.kill_when = most_of_it, .kill_arg = &r, .may_die = true});
    check(c.code == 1009, "it ended before: %d\n%s%s", c.code, c.out, c.err);
    child_free(&c);
    pull_expect_sound(&r, "m.gguf", "after the kill");
    uint64_t lost = pull_held(&r, held, SEGMENTS);
    for (int s = 0; s < SEGMENTS; s++)
        kept += held[s];
    check(kept > 0 && lost <= REFETCH, "%zu segments, %" PRIu64 " bytes of others", kept, lost);
    fake_hub_faults_clear(r.hub);
    fake_hub_log_clear(r.hub);
    c = download(&r, &p, (child_how){.seconds = 60});
    check(c.code == 0 && strstr(c.out, "m.gguf"), "%d: %s%s", c.code, c.out, c.err);
    child_free(&c);
    pull_expect_landed(&r, "m.gguf");
    pull_expect_not_asked(&r, held, SEGMENTS, 0);
    rig_close(&r);
}
