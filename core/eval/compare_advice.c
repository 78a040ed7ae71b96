/* Sentences: for each file whether to keep it, for all of them which one. They say no more than the
 * figures do: what lies within the noise is called even. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/file.h"
#include "core/base/str.h"
#include "core/eval/compare.h"

/* What a divergence means, from Llama-3-8B's anchors (quant.md 4.5): q6_K .005, q5_K_M .011,
 * q4_K_M .03, q3_K_M .1, q2_K .45. */
static const struct {
    double below;
    const char *word;
    bool freely; /* worth keeping for more than want of room */
} grades[] = {
    {0.002, "next to no loss", true}, {0.015, "hardly a loss", true},
    {0.06, "a small loss", true},     {0.2, "a clear loss", false},
    {0.7, "a heavy loss", false},     {HUGE_VAL, "little is left", false},
};

static size_t grade_of(double kld)
{
    size_t i = 0;
    while (i + 1 < countof(grades) && !(kld < grades[i].below))
        i++;
    return i;
}

/* The smallest gap up in size among files of the front; NULL: r is the largest but the reference.
 */
static const nb_compare_row *next_up(const nb_compare *c, const nb_compare_row *r)
{
    const nb_compare_row *up = NULL;
    for (size_t i = 0; i < c->n; i++) {
        const nb_compare_row *o = &c->row[i];
        if (o->front && !o->is_reference && o->bytes > r->bytes && (!up || o->bytes < up->bytes))
            up = o;
    }
    return up;
}

static const nb_compare_row *best_over(const nb_compare *c, const nb_compare_row *r,
                                       nb_compare_axis y)
{
    const nb_compare_row *best = NULL;
    for (size_t i = 0; i < c->n; i++) {
        const nb_compare_row *o = &c->row[i];
        double a, b, err;
        if (o != r && nb_compare_beats(o, r, NB_AXIS_BYTES, y) &&
            nb_compare_value(o, y, &a, &err) &&
            (!best || (nb_compare_value(best, y, &b, &err) && a < b)))
            best = o;
    }
    return best;
}

/* Two values that lie within two standard errors of their difference cannot be told apart. */
static bool same_within_noise(const nb_compare_row *a, const nb_compare_row *b, nb_compare_axis y)
{
    double va, vb, ea, eb;
    return nb_compare_value(a, y, &va, &ea) && nb_compare_value(b, y, &vb, &eb) &&
           fabs(va - vb) <= 2 * sqrt(ea * ea + eb * eb);
}

static void advise_beaten(nb_compare_row *r, const nb_compare_row *o, nb_compare_axis y)
{
    char size[16], own[16];
    double a = 0, b = 0, err;
    nb_compare_value(o, y, &a, &err);
    nb_compare_value(r, y, &b, &err);
    bool even = same_within_noise(r, o, y);
    nb_human_bytes(size, o->bytes);
    nb_human_bytes(own, r->bytes);
    snprintf(r->advice, sizeof r->advice,
             "drop it: %.60s takes %s instead of %s and %s (%s %.4f, %.4f here)", o->name, size,
             own, even ? "is as good within the noise" : "is better", nb_axis_name(y), a, b);
}

static void advise_front(const nb_compare *c, nb_compare_row *r, nb_compare_axis y)
{
    const nb_compare_row *up = next_up(c, r);
    nb_str s = {0};
    double v = 0, w = 0, err;
    nb_compare_value(r, y, &v, &err);
    if (y == NB_AXIS_KLD)
        nb_str_addf(&s, "keep it%s: %s (KL %.2g) at %.2f bits per weight",
                    grades[grade_of(v)].freely ? "" : " only where nothing larger fits",
                    grades[grade_of(v)].word, v, r->bpw);
    else
        nb_str_addf(&s, "keep it: nothing smaller has a lower perplexity");
    if (up && nb_compare_value(up, y, &w, &err) && w > 0) {
        double share = 100 * (1 - (double)r->bytes / (double)up->bytes);
        if (same_within_noise(r, up, y))
            nb_str_addf(&s, "; %.0f %% smaller than %.60s, as good within the noise", share,
                        up->name);
        else
            nb_str_addf(&s, "; %.0f %% smaller than %.60s for %.2g times its %s", share, up->name,
                        v / w, nb_axis_name(y));
    }
    if (r->has_facts)
        nb_str_addf(&s, "; knows %llu of %llu facts", (unsigned long long)r->facts.right,
                    (unsigned long long)r->facts.asked);
    nb_short(r->advice, sizeof r->advice, nb_str_c(&s));
    nb_str_free(&s);
}

/* Divergence, or perplexity where nothing has a divergence. */
static nb_compare_axis loss_axis(const nb_compare *c)
{
    nb_compare_axis y = NB_AXIS_PPL;
    for (size_t i = 0; i < c->n; i++)
        y = c->row[i].has_kld ? NB_AXIS_KLD : y;
    return y;
}

void nb_compare_advise(nb_compare *c)
{
    nb_compare_axis y = loss_axis(c);
    nb_compare_front(c, NB_AXIS_BYTES, y);
    for (size_t i = 0; i < c->n; i++) {
        nb_compare_row *r = &c->row[i];
        double v, err;
        const nb_compare_row *better = best_over(c, r, y);
        if (r->is_reference)
            snprintf(r->advice, sizeof r->advice,
                     "the reference: keep it to make other files from");
        else if (!nb_compare_value(r, y, &v, &err))
            snprintf(r->advice, sizeof r->advice,
                     "not measured under the same reference, text and context");
        else if (better)
            advise_beaten(r, better, y);
        else
            advise_front(c, r, y);
    }
}

/* --- which to keep -----------------------------------------------------------------------------
 */

enum { MOST_PICKS = 64 };

/* Files of the front, smallest first: each loses less than the one before. */
typedef struct picks {
    size_t row[MOST_PICKS];
    double loss[MOST_PICKS];
    size_t n, from; /* those from `from` on are worth their loss */
    nb_compare_axis y;
} picks;

static void gather(picks *p, const nb_compare *c)
{
    for (size_t i = 0; i < c->n && p->n < MOST_PICKS; i++) {
        const nb_compare_row *r = &c->row[i];
        double v, err;
        if (r->is_reference || !nb_compare_value(r, p->y, &v, &err) || best_over(c, r, p->y))
            continue;
        size_t k = p->n++;
        for (; k > 0 && r->bytes < c->row[p->row[k - 1]].bytes; k--) {
            p->row[k] = p->row[k - 1];
            p->loss[k] = p->loss[k - 1];
        }
        p->row[k] = i;
        p->loss[k] = v;
    }
    while (p->y == NB_AXIS_KLD && p->from < p->n && !grades[grade_of(p->loss[p->from])].freely)
        p->from++;
}

/* The point farthest below the line between the first and the last worth keeping, in logarithms of
 * size and loss, each scaled to 1: there a smaller file begins to cost more and a larger one to
 * gain less. Without such a point (fewer than three, or none below) the first. */
static size_t knee_of(const picks *p, const nb_compare *c)
{
    const double least = 1e-9; /* nats; an exact copy has 0 */
    size_t at = p->from, last = p->n - 1;
    double most = 0, x0 = log((double)c->row[p->row[at]].bytes), y0 = log(fmax(p->loss[at], least));
    double w = log((double)c->row[p->row[last]].bytes) - x0;
    double h = y0 - log(fmax(p->loss[last], least));
    for (size_t i = p->from + 1; i < last && w > 0 && h > 0; i++) {
        double x = (log((double)c->row[p->row[i]].bytes) - x0) / w;
        double gain = (y0 - log(fmax(p->loss[i], least))) / h;
        if (gain - x > most) {
            most = gain - x;
            at = i;
        }
    }
    return at;
}

/* "for 3.7 times its KL divergence", "with 34 times less KL divergence", "at perplexity 10.4". */
static void add_change(nb_str *s, const picks *p, size_t from, size_t to)
{
    double less = p->loss[to], more = p->loss[from];
    if (p->y != NB_AXIS_KLD)
        nb_str_addf(s, " at %s %.3g", nb_axis_name(p->y), p->loss[to]);
    else if (to < from && more > 0)
        nb_str_addf(s, " for %.2g times its %s", less / more, nb_axis_name(p->y));
    else if (to > from && less > 0)
        nb_str_addf(s, " with %.2g times less %s", more / less, nb_axis_name(p->y));
}

static void add_smaller(nb_str *s, const nb_compare *c, const picks *p, size_t at)
{
    const nb_compare_row *r = &c->row[p->row[at]], *o = &c->row[p->row[at - 1]];
    double saves = 100 * (1 - (double)o->bytes / (double)r->bytes);
    nb_str_addf(s, "; %.60s would save %.0f %% more", o->name, saves);
    add_change(s, p, at, at - 1);
}

static void add_larger(nb_str *s, const nb_compare *c, const picks *p, size_t at)
{
    const nb_compare_row *r = &c->row[p->row[at]], *o = &c->row[p->row[at + 1]];
    double costs = 100 * ((double)o->bytes / (double)r->bytes - 1);
    nb_str_addf(s, "; %.60s is %.0f %% larger", o->name, costs);
    if (same_within_noise(r, o, p->y))
        nb_str_add(s, " and its interval overlaps: this text cannot tell them apart");
    else
        add_change(s, p, at, at + 1);
}

static void add_loss(nb_str *s, const nb_compare_row *r, const picks *p, double v)
{
    double value = 0, err = 0;
    nb_compare_value(r, p->y, &value, &err);
    if (p->y == NB_AXIS_KLD)
        nb_str_addf(s, "%s (KL %.2g +/- %.1g nats) at %.2f bits per weight",
                    grades[grade_of(v)].word, v, 1.96 * err, r->bpw);
    else
        nb_str_addf(s, "perplexity %.4g +/- %.2g at %.2f bits per weight", v, 1.96 * err, r->bpw);
}

/* What it answers, and the smallest file that answers as much as far as the intervals tell. */
static void add_facts(nb_str *s, const nb_compare *c, const nb_compare_row *r)
{
    const nb_compare_row *least = NULL;
    char size[16];
    for (size_t i = 0; i < c->n; i++) {
        const nb_compare_row *o = &c->row[i];
        if (o->has_facts && o->facts.hi >= r->facts.score && o->bytes < r->bytes &&
            (!least || o->bytes < least->bytes))
            least = o;
    }
    nb_str_addf(s, "; knows %llu of %llu facts", (unsigned long long)r->facts.right,
                (unsigned long long)r->facts.asked);
    if (least)
        nb_str_addf(s, ", and %.60s (%s) as many within the interval (%llu)", least->name,
                    nb_human_bytes(size, least->bytes), (unsigned long long)least->facts.right);
}

size_t nb_compare_pick(const nb_compare *c, char *why, size_t cap)
{
    picks p = {.y = loss_axis(c)};
    gather(&p, c);
    if (p.n == 0) {
        snprintf(why, cap, "nothing is measured yet under one reference, text and context");
        return SIZE_MAX;
    }
    bool poor = p.from == p.n; /* where all lose much, the one that loses least */
    size_t at = poor ? p.n - 1 : knee_of(&p, c);
    while (at > 0 && same_within_noise(&c->row[p.row[at]], &c->row[p.row[at - 1]], p.y))
        at--; /* as good as far as this text tells, and smaller */
    const nb_compare_row *r = &c->row[p.row[at]];
    bool lost = poor && grade_of(p.loss[at]) + 1 == countof(grades);
    nb_str s = {0};
    if (lost)
        nb_str_addf(&s, "keep none of these: of %.60s, which loses least, ", r->name);
    else
        nb_str_addf(&s, "keep %.60s%s: ", r->name, poor ? " only where nothing larger fits" : "");
    add_loss(&s, r, &p, p.loss[at]);
    if (poor)
        nb_str_addf(&s, "%s: a larger type would lose less", lost ? "" : ", the least here");
    if (at > 0 && !lost)
        add_smaller(&s, c, &p, at);
    if (at + 1 < p.n)
        add_larger(&s, c, &p, at);
    if (p.y == NB_AXIS_PPL)
        nb_str_add(&s, "; no divergence is measured, which would tell more");
    if (r->has_facts)
        add_facts(&s, c, r);
    nb_short(why, cap, nb_str_c(&s));
    nb_str_free(&s);
    return lost ? SIZE_MAX : p.row[at];
}
