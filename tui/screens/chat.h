/* State of the Chat screen, shared by its files: chat.c (keys), chat_load.c (models), chat_pane.c
 * (turns, what the jobs say), chat_draw.c (panes, input, lines below), chat_text.c (an answer as
 * rows and tokens), chat_thought.c (what it thought first), chat_params.c (the P panel),
 * chat_remote.c (models behind addresses), chat_forced.c and chat_kl.c (A's answer scored in the
 * other panes).
 *
 * One conversation, one to four panes, each a model with its own branch of it. A pane's job (load
 * or turn) owns the pane's nb_local while it runs, forced scoring those of all panes; the main
 * thread touches them only when there is no such job. Panes take turns one after another unless
 * `together`. */
#ifndef NIBBLE_SCREEN_CHAT_H
#define NIBBLE_SCREEN_CHAT_H

#include "core/model/chat.h"
#include "downloads/remote.h"
#include "tui/screens/chat_forced.h"
#include "tui/screens/parts.h"
#include "tui/transcript.h"
#include "tui/widgets/md.h"

typedef struct chat_pane {
    bool used;
    char path[1024], label[96], type[24];
    nb_local *local;                 /* NULL: not loaded, or remote */
    dl_remote *remote;               /* NULL: not opened, or local */
    const char *tmpl, *tmpl_problem; /* template in use; why not the model's own, NULL. local's */
    uint32_t ctx, ctx_used;
    uint64_t vocabulary; /* its print, 0 = not loaded yet */
    nb_job *job;
    bool loading;       /* the job loads; else it answers */
    bool asked, agreed; /* loading takes most of the free memory: was asked, and allowed */
    bool pending;       /* a turn waits for this pane */
    int answer;         /* message being written, -1 = none; others written with it follow it */
    bool shared;        /* its last figures were taken beside others' */
    double ttft_live;   /* when the first token came, to show before the end */
    double started;     /* clock when the turn began */
    char problem[240];  /* why it cannot load or stopped */
    int scroll;         /* rows up from the newest */
    /* What the job's thread reads and writes: */
    struct chat_work {
        char path[1024];
        const nk_ops *ops;
        nb_sched *sched;
        int threads;
        uint32_t ctx, n_seq;
        const nk_type *k_type, *v_type;
        char lora[1024]; /* empty: none */
        float lora_scale;
        uint64_t available;
        bool costly, agreed, flat; /* flat: by a flat copy */
        uint64_t flat_bytes;       /* of it */
        nb_local *made;
        dl_remote *made_remote;
        const nb_config *settings; /* of a remote */
        bool offline;
        uint64_t vocabulary;
        char type[24];
        nb_responder *who;
        nb_local *local;      /* who answers several at once */
        nb_message *messages; /* owned; texts borrowed from the transcript */
        size_t n_messages;
        nb_sampling sampling;
        uint32_t max_tokens, n_answers;
        bool shift;
        char draft[1024];     /* as nb_local_draft takes it */
        nb_chat_vars vars;    /* tools borrowed from the chat */
        const nb_config *cfg; /* a speed measured is kept there; NULL = is not */
        bool pinned;          /* a script's: figures that depend on the machine are made up */
        bool kept;            /* a new speed was stored */
        uint64_t fingerprint; /* of the file */
        nb_turn_stats stats[NB_MAX_SEQ]; /* [n_answers] */
        nb_job *job;
        uint32_t said; /* tokens of the answers so far */
    } work;
} chat_pane;

typedef enum chat_metric {
    CHAT_METRIC_OFF,
    CHAT_METRIC_PROB,
    CHAT_METRIC_ENTROPY,
    CHAT_METRIC_KL, /* only while A's answer shown is scored */
    CHAT_METRICS
} chat_metric;

typedef enum chat_param {
    CP_TEMP,
    CP_TOP_K,
    CP_TOP_P,
    CP_MIN_P,
    CP_PENALTY,
    CP_SEED,
    CP_MAX,
    CP_CTX,
    CP_ANSWERS,
    CP_SHIFT,
    CP_THINK,
    CP_TOOLS,
    CP_SYSTEM,
    CP_DRAFT,
    CP_KEYS,
    CP_VALUES,
    CP_FLAT,
    CP_LORA,
    CP_LORA_SCALE,
    CP_COUNT
} chat_param;

/* Who guesses ahead. */
typedef enum chat_guess { CHAT_GUESS_OFF, CHAT_GUESS_LOOKUP, CHAT_GUESS_PANE } chat_guess;

/* The thought at the beginning of an answer, as rows above it. */
typedef struct chat_thought {
    bool there, open;
    bool done, ended;  /* the thought came to its end; the answer did */
    bool differs;      /* the first difference is in it */
    size_t start, len; /* its bytes */
    size_t answer;     /* where the answer proper begins */
    size_t tokens;
    int width;
    ui_row *row; /* [n] from start on, where open; owned */
    size_t n, cap;
} chat_thought;

/* One message as display rows: as written, or an answer as Markdown. */
typedef struct chat_rows {
    int width;
    size_t len; /* of the message when wrapped */
    long diff;  /* token with the marker before it, -1 = none */
    bool ascii;
    nb_str text; /* message with the marker in it */
    ui_row *row; /* [n] owned */
    size_t n, cap;
    bool markdown; /* md is shown, under the thought */
    ui_md *md;     /* owned; NULL = never was */
    chat_thought thought;
} chat_rows;

typedef struct chat_span {
    size_t start, end; /* bytes of the text */
    int kind;          /* 0 both, 1 only A, 2 only the other */
} chat_span;

/* A display row of the last frame, so that the mouse finds its token. */
typedef struct chat_seen {
    int x, y, w, message;
    size_t row; /* of the message's rows */
} chat_seen;

enum chat_spot { /* or a pane */
                 CHAT_SPOT_INPUT = UI_PANES,
                 CHAT_SPOT_LEGEND,
                 CHAT_SPOT_STRIP,
                 CHAT_SPOT_DIFF,
                 CHAT_SPOT_TOP
};

/* The word view of two answers. */
typedef struct chat_diff {
    bool open;
    int top; /* first row shown */
    nb_str text;
    chat_span *span; /* [n] owned */
    size_t n, cap, same, only_a, only_b;
} chat_diff;

typedef struct chat {
    ui_app *app;
    ui_transcript *log;
    chat_pane pane[UI_PANES];
    int focus; /* pane */
    bool typing, zoom, together;
    bool raw;      /* answers as written; else as Markdown */
    bool thoughts; /* shown whole; else folded to a line */
    int editing;   /* user message being edited, -1 = none */
    int token;     /* token the cursor is on in the focused pane's last answer, -1 = none */
    bool top;      /* the popup of that token's alternatives */
    chat_diff diff;
    chat_forced forced;
    chat_metric metric;
    ui_input input;
    char *last_sent;
    nb_sampling sampling;
    uint32_t max_tokens, ctx; /* ctx 0 = the model's */
    uint32_t answers;         /* to each question, at once */
    bool shift;               /* a full context is shifted */
    int flat;                 /* models answer by flat copies; -1: as the setting says */
    chat_guess draft;
    nb_think think;
    char *tools_path, *tools; /* file of the tools told of, and what it held; NULL = none */
    size_t tools_len;
    char *system; /* NULL = none */
    char *lora;   /* file of the adapter; NULL = none */
    float lora_scale;
    unsigned k_type, v_type; /* of the cache: index of chat_params.c */
    bool params;
    ui_list params_list;
    int params_edit; /* row with the input, -1 = none */
    ui_input params_input;
    char params_error[96];
    chat_rows *rows; /* [n_rows] by message */
    size_t n_rows;
    ui_spots spots;  /* chat_spot */
    chat_seen *seen; /* [n_seen] owned */
    size_t n_seen, cap_seen;
    char wanted[UI_PANES][1024]; /* panes to open when the jobs of the present ones ended */
    int n_wanted;                /* 0 = none */
    double stop_at;              /* clock of the last Ctrl-C */
    bool measured;               /* a pane's speed is news to Models */
    bool told_problem;           /* the transcript's, once */
} chat;

/* chat.c */
void ui_chat_next_metric(chat *c);

/* chat_pane.c */
int ui_chat_panes(const chat *c);
bool ui_chat_busy(const chat *c);
const char *ui_chat_busy_words(const chat *c); /* with what, and how to stop it */
/* The conversation down to a message of the log, the system prompt in front; owned by the caller,
 * texts borrowed from the transcript. */
nb_message *ui_chat_gather(const chat *c, int message, size_t *n);
void ui_chat_want(chat *c, const char *const *paths);
void ui_chat_close_pane(chat *c, int pane);
void ui_chat_send(chat *c, const char *text, size_t n);
void ui_chat_again(chat *c, int pane);
void ui_chat_stop(chat *c);
void ui_chat_next(chat *c); /* starts whoever is next */
void ui_chat_new(chat *c);
void ui_chat_reload(chat *c); /* after a change of ctx */
void ui_chat_event(void *self, const nb_event *e);
void ui_chat_release(chat *c);
/* Last answer of a pane, NULL = none yet; with its message index. */
const ui_message *ui_chat_answer(const chat *c, int pane, int *index);

/* chat_load.c */
void ui_chat_load(chat *c, int pane); /* starts to */
void ui_chat_load_done(chat *c, chat_pane *pane, const nb_err *err);

/* chat_remote.c: panes whose model is behind an address */
bool ui_chat_is_remote(const chat_pane *p);
bool ui_chat_loaded(const chat_pane *p);
/* Fills k->made_remote; asks nobody. */
nb_status ui_chat_open_remote(struct chat_work *k, nb_err *err);
void ui_chat_opened_remote(chat *c, chat_pane *p);
void ui_chat_name_remote(chat_pane *p);
/* What to do about the last failure, behind it. */
void ui_chat_remote_problem(chat_pane *p, const nb_err *err);
/* A pane of before that has this model loaded stays loaded: it becomes *pane. */
bool ui_chat_take_over(chat_pane *pane, chat_pane before[UI_PANES], const char *path);
/* An answer whose endpoint told no probabilities. */
bool ui_chat_untold(const ui_message *m);
/* ": remote URL": the panes there are, and this one. */
void ui_chat_add_remote(chat *c, const char *model);

/* chat_text.c */
/* Where an answer departs from pane A's of the same turn. */
ui_parting ui_chat_parting(const chat *c, int pane, int message);
/* First token in which this answer departs from pane A's answer of the same turn, -1 = nowhere. */
long ui_chat_difference(const chat *c, int pane, int message);
const chat_rows *ui_chat_wrap(chat *c, const ui_canvas *canvas, int pane, int message, int width);
size_t ui_chat_row_count(const chat_rows *rows);
/* The rows from `top` on that fit into r, as wide as they were wrapped. */
void ui_chat_draw_rows(const chat *c, ui_canvas *canvas, ui_rect r, int pane, int message,
                       const chat_rows *rows, size_t top);
void ui_chat_forget_rows(chat *c); /* messages are others now */
/* Token of the message at a cell of one of its rows, -1 = none; a text shown as Markdown has none.
 */
int ui_chat_token_at(const chat *c, int message, size_t row, int cell);
void ui_chat_piece(const chat *c, int pane, int32_t id, char *out, size_t cap);

/* chat_thought.c */
void ui_chat_thought_lay(const chat *c, chat_thought *t, const ui_message *m, int width, long diff);
/* Rows above an answer of so many rows. */
size_t ui_chat_thought_rows(const chat_thought *t, size_t answer_rows);
/* Those from `top` on that fit into r, of `rows`; returns how many lines they took. */
int ui_chat_thought_draw(ui_canvas *canvas, ui_rect r, const chat_thought *t, const char *text,
                         size_t top, size_t rows);
bool ui_chat_has_thought(const chat *c); /* in any pane's branch */

/* chat_mouse.c */
bool ui_chat_mouse(void *self, const ui_key *k);
void ui_chat_mouse_forget(chat *c); /* before a frame */
void ui_chat_mouse_row(chat *c, chat_seen row);

/* chat_params.c */
/* What was given with the command; NB_USAGE names the value that cannot be. */
nb_status ui_chat_params_given(chat *c, nb_err *err);
/* Types of the cache and the adapter, as the command's options. */
void ui_chat_params_loaded(const chat *c, nb_str *out);
/* What a pane's model is loaded with. */
void ui_chat_params_load(const chat *c, struct chat_work *k);
void ui_chat_params_open(chat *c);
bool ui_chat_params_action(chat *c, ui_action a);
bool ui_chat_params_key(chat *c, const ui_key *k);
void ui_chat_params_draw(chat *c, ui_canvas *canvas, ui_rect r);
void ui_chat_params_text(const chat *c, char *out, size_t cap);
/* Who guesses for a pane, as nb_local_draft takes it: with CHAT_GUESS_PANE the lightest other pane
 * that has the same tokens and less to read, else nobody. Lives until panes change. */
const char *ui_chat_drafter(const chat *c, int pane);

/* chat_out.c */
void ui_chat_export(chat *c); /* Markdown and JSON */
void ui_chat_json(const chat *c, nb_str *out);
void ui_chat_copy(chat *c, ui_action a);
void ui_chat_editor(chat *c);

/* chat_top.c: the popup of a token's alternatives, in every pane that stood at its place */
void ui_chat_draw_top(chat *c, ui_canvas *canvas, ui_rect r);

/* chat_forced.c: A's answer in the other panes' models */
const char *ui_chat_forced_why_not(const chat *c); /* NULL = F does something */
void ui_chat_forced_ask(chat *c);
void ui_chat_forced_next(chat *c); /* once models are loaded */
void ui_chat_forced_done(chat *c, const nb_err *err);
void ui_chat_forced_forget(chat *c);
/* The answer that A shows is the one that was scored. */
bool ui_chat_forced_shown(const chat *c);
const chat_score *ui_chat_forced_score(const chat *c, int pane); /* NULL = none */
/* A's token under the cursor, where the focused pane stands in the same context; else -1. */
long ui_chat_forced_token(const chat *c);
/* Nats at a token of a message: of A the most in any pane; of another its own, up to where it
 * parts from A, at token diff (-1 = nowhere). Negative = none. */
double ui_chat_forced_kl(const chat *c, int pane, int message, size_t i, long diff);

/* chat_kl.c: how that looks */
enum { CHAT_KL_LEVELS = 4 };
int ui_chat_kl_level(double kl); /* 0 least .. 3 */
/* "KL 0.0123 ±0.0011 (n 57)", or why there is none; the length. */
int ui_chat_forced_words(const chat *c, int pane, char *out, size_t cap);
void ui_chat_kl_figures(const chat *c, ui_canvas *canvas, ui_rect r, int pane);
/* The token under the cursor in numbers: how likely A and the others held it, and the KL. False:
 * nothing is drawn. */
bool ui_chat_kl_token(const chat *c, ui_canvas *canvas, ui_rect r);
void ui_chat_kl_strip(chat *c, ui_canvas *canvas, ui_rect r);
bool ui_chat_kl_press(chat *c, int x, int y);

/* chat_diff.c: A against the focused pane, word by word */
const char *ui_chat_diff_why_not(const chat *c); /* NULL = there is something to compare */
void ui_chat_diff_draw(chat *c, ui_canvas *canvas, ui_rect r);
void ui_chat_diff_free(chat_diff *d);
/* The same words as one text; false: there are no two answers. */
bool ui_chat_diff_text(const chat *c, int pane, nb_str *out);

/* chat_draw.c */
void ui_chat_draw(void *self, ui_canvas *canvas, ui_rect r);

#endif
