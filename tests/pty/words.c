/* What foreign words may do to a terminal: nothing. File names, tensor names, metadata, a model's
 * answer, a paste; and what leaves the program for a file or a pipe (tui 14 15, A32). */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "core/base/str.h"
#include "core/base/unicode.h"
#include "tests/pty/make.h"
#include "tests/pty/pty.h"
#include "tests/util.h"

static void look_around(pty *p, const char *keys)
{
    for (; *keys; keys++) {
        pty_send(p, (char[]){*keys, '\0'});
        pty_pump(p, *keys == '\x1b' ? 70 : 60);
    }
    pty_check(!p->ended, "ended: %x", p->status);
    pty_check(p->screen.odd == 0, "sent %s", p->screen.first_odd);
}

/* Byte grammar of text: UTF-8 without controls, bidi, invisible or tag characters; only \n and \t.
 * JSON may hold what its \u escapes name, so the same holds for its bytes. */
static void check_plain(const char *what, const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t cp;
        size_t used = nb_utf8_next(s + i, n - i, &cp, NULL);
        pty_check(used, "%s: byte %zu (%02x) is no UTF-8", what, i, (unsigned char)s[i]);
        bool layout = cp == '\n' || cp == '\t';
        bool joiner = cp == 0x200d || cp == 0xfe0f;
        pty_check(layout || nb_cp_width(cp) >= 0, "%s: control U+%04X at %zu", what, (unsigned)cp,
                  i);
        pty_check(joiner || cp < 0x80 || !nb_cp_is(NB_CP_HIDDEN, cp), "%s: U+%04X at %zu", what,
                  (unsigned)cp, i);
        i += used;
    }
}

static void check_file(const char *path)
{
    size_t n;
    char *s = test_slurp(path, &n);
    pty_check(s, "%s: cannot be read", path);
    check_plain(path, s, n);
    free(s);
}

/* Every file of a folder of the home; returns how many. */
static int check_folder(const char *name)
{
    char dir[700];
    int n = 0;
    snprintf(dir, sizeof dir, "%s/%s", pty_home(), name);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.') {
            check_file(test_path(dir, e->d_name));
            n++;
        }
    if (d)
        closedir(d);
    return n;
}

/* tui 15, A32: the answer, its probabilities, export, palette and log. */
static void a_hostile_answer_stays_text(pty *p)
{
    pty_open(p, &(pty_options){.w = 120, .h = 40}, make_hostile());
    look_around(p, "\x1b"
                   "1");
    pty_check(pty_wait(p, "words", 3000) || pty_wait(p, "U+001B", 1000), "no model");
    look_around(p, "jt");
    pty_check(pty_wait(p, "tok  ready", 3000), "not ready");
    pty_send(p, "hello \xe2\x80\xae there\r");
    pty_check(pty_wait_gone(p, "tok  ready", 5000), "nothing is said");
    pty_wait(p, "\xe2\x9f\xa8U+001B\xe2\x9f\xa9", 5000);
    for (int i = 0; i < 100 && vt_shows(&p->screen, "writing"); i++)
        pty_pump(p, 50);
    pty_check(vt_shows(&p->screen, "\xe6\x97\xa5"), "halves of a character did not meet");
    pty_check(vt_shows(&p->screen, "\xe2\x9f\xa8U+001B\xe2\x9f\xa9"), "no payload was said: \"%s\"",
              vt_row(&p->screen, 6));
    look_around(p, "\x1bmnnmkkwm:\x1b"
                   "E\x1bJ\x1b"
                   "4jjjj?\x1b"
                   "3\x1b"
                   "6");
    pty_check(check_folder(".local/share/nibble/exports") >= 2, "nothing was exported");
    check_folder(".local/share/nibble/chats");
    check_folder(".local/state/nibble");
}

/* A32: 300 payloads as file names. */
static void file_names_stay_text(pty *p)
{
    char dir[400], path[600], payload[64];
    snprintf(dir, sizeof dir, "%s", pty_folder("names"));
    for (int i = 0; i < MAKE_PAYLOADS; i++) {
        snprintf(path, sizeof path, "%s/%s%d.gguf", dir, make_payload(i, payload), i);
        test_spit(path, "GGUF", 4);
    }
    pty_open(p, &(pty_options){.w = 200, .h = 100}, dir);
    look_around(p, "\x1b"
                   "1");
    pty_check(vt_shows(&p->screen, "\xe2\x9f\xa8U+001B\xe2\x9f\xa9"), "no payload is shown");
    for (int i = 0; i < 8; i++)
        look_around(p, "\x04");
    look_around(p, "GtQ\x1b"
                   "1i\x1b"
                   "1E\x1b");
}

/* A32: what commands print, with and without a terminal. */
static void commands_print_plain_text(pty *p)
{
    static const char *const what[] = {"show --keys --tensors M",
                                       "show --json M",
                                       "chat M -p hello -n 80",
                                       "chat M -p hello -n 80 --json",
                                       "tokenize M -p '\x1b[2J\xc2\x9b"
                                       "31m'",
                                       "inspect M '\x1b]0;x\x07'",
                                       "show '/\x1b[2J/none'",
                                       "quantize M -t Q4_0 -o OUT --force",
                                       "quantize M -t '\x1b[31m'",
                                       "bench M -p 8 -n 4 -r 1",
                                       "eval M -f TEXT --ctx 64",
                                       "config '\x1b[5m'"};
    char script[2048], model[600], home[600];
    snprintf(home, sizeof home, "%s", pty_home());
    snprintf(model, sizeof model, "%s", make_hostile());
    test_spit(test_path(home, "text"), "\x1b[2J one two three four five six \xc2\x9b", 40);
    for (size_t i = 0; i < sizeof what / sizeof what[0]; i++) {
        snprintf(script, sizeof script,
                 "cd; ln -sf '%s' M; cp text TEXT; '%s' %s >out 2>err; '%s' %s", model, pty_program,
                 what[i], pty_program, what[i]);
        const char *const argv[] = {"/bin/sh", "-c", script, NULL};
        pty_start(p, &(pty_options){.w = 120, .h = 40}, argv);
        pty_check(pty_wait_end(p, 20000), "%s: still runs", what[i]);
        pty_check(p->screen.odd == 0, "%s sent %s", what[i], p->screen.first_odd);
        size_t n, m;
        char *out = test_slurp(test_path(home, "out"), &n);
        char *err = test_slurp(test_path(home, "err"), &m);
        pty_check(out && err && n + m > 0, "%s said nothing", what[i]);
        check_plain(what[i], out, n);
        check_plain(what[i], err, m);
        free(out);
        free(err);
    }
}

const pty_test pty_words_tests[] = {{"tui 15, A32: a model's answer", a_hostile_answer_stays_text},
                                    {"A32: file names", file_names_stay_text},
                                    {"A32: commands", commands_print_plain_text},
                                    {0}};
